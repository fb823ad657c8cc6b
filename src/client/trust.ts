import { X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';
import { LarderError } from '../lib/errors.ts';

/** Certificates in PEM: authorities beside the well-known ones, or the one certificate that the server must show. */
export type Trust = { readonly authorities: string } | { readonly pinned: string };

/** How connections check the server's certificate. A pinned one holds under any name: it is the server's own, not that of its names. */
export function trustOptions(trust: Trust) {
  if ('authorities' in trust) return { ca: [...getCACertificates('default'), trust.authorities] };
  const { fingerprint256 } = readFirst(trust.pinned);
  return {
    ca: [trust.pinned],
    // The file may hold no more than the server's certificate, and then it is no root.
    allowPartialTrustChain: true,
    checkServerIdentity(_host: string, shown: { fingerprint256: string }): Error | undefined {
      if (shown.fingerprint256 === fingerprint256) return undefined;
      return new LarderError(
        'client.untrusted-certificate',
        'the server shows another certificate than that of its file',
      );
    },
  };
}

function readFirst(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new LarderError('client.untrusted-certificate', 'the file of the server certificate holds none', { cause });
  }
}
