import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.ts';

export type IssuedCertificate = { certPath: string; keyPath: string };

/** An authority of its own for a test, with openssl: what an operator has who runs a private one. */
export type TlsAuthority = {
  /** Its certificate, which clients have to trust. */
  caPath: string;
  /** A certificate for these names (`DNS:localhost`, `IP:127.0.0.1`), its files under `name`. */
  issue(name: string, names: readonly string[]): Promise<IssuedCertificate>;
  [Symbol.asyncDispose](): Promise<void>;
};

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export async function createTlsAuthority(): Promise<TlsAuthority> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-tls-'));
  const [caPath, caKeyPath] = [join(directory, 'ca.pem'), join(directory, 'ca.key')];
  const openssl = (...args: string[]) => run('openssl', args, { cwd: directory });
  await openssl('req', '-x509', ...EC_KEY, '-keyout', caKeyPath, '-out', caPath, '-days', '2', '-subj', '/CN=test CA');
  return {
    caPath,
    async issue(name, names) {
      const [certPath, keyPath] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
      const [requestPath, extensionPath] = [join(directory, `${name}.csr`), join(directory, `${name}.ext`)];
      await writeFile(extensionPath, `subjectAltName=${names.join(',')}\n`);
      await openssl('req', '-new', ...EC_KEY, '-keyout', keyPath, '-out', requestPath, '-subj', `/CN=${name}`);
      const signer = ['-CA', caPath, '-CAkey', caKeyPath, '-CAcreateserial', '-days', '1', '-extfile', extensionPath];
      await openssl('x509', '-req', '-in', requestPath, ...signer, '-out', certPath);
      return { certPath, keyPath };
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
