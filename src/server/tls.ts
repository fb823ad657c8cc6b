import { X509Certificate } from 'node:crypto';
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { describeError, LarderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';

/** TLS 1.0 and 1.1 are broken and withdrawn (RFC 8996). */
const MIN_TLS_VERSION = 'TLSv1.2';
/** Where the operating system tells nothing of a change (network file systems), the files are read this often. */
const POLL_MS = 10_000;
/** Certificate and key are replaced one after the other; this long after the first the second is there. */
const SETTLE_MS = 100;

export type TlsFiles = { readonly certPath: string; readonly keyPath: string };

/** The certificate of a listener, kept up to date with its files. */
export type ServerTls = {
  /** What the listener begins with. */
  readonly options: SecureContextOptions;
  /** Hands every later pair of the files to `apply`; connections that are open keep the pair they began with. */
  follow(apply: (options: SecureContextOptions) => void): void;
  close(): void;
};

/**
 * Reads certificate (PEM, with the chain up to the root) and key, and looks for new ones as long as it is open. A pair that
 * can't be used is refused with one line in the log, and the one before it stays; only the first must be good. Throws
 * `server.tls`.
 */
export async function openServerTls(files: TlsFiles, log: Logger): Promise<ServerTls> {
  const first = await readPair(files);
  log.info(describePair(first), 'TLS certificate loaded');
  let current = textOf(first);
  let refused = '';
  let apply: ((options: SecureContextOptions) => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function look(): Promise<void> {
    try {
      const pair = await readPair(files);
      if (isClosed || !apply || textOf(pair) === current) return;
      apply(pair);
      current = textOf(pair);
      refused = '';
      log.info(describePair(pair), 'TLS certificate replaced');
    } catch (error) {
      const reason = describeError(error);
      if (reason === refused || isClosed) return;
      refused = reason;
      log.error({ err: reason }, 'new TLS certificate refused; the one before it stays in use');
    }
  }

  function lookSoon(): void {
    clearTimeout(timer);
    if (!isClosed) timer = setTimeout(() => void look(), SETTLE_MS).unref();
  }

  const polling = setInterval(() => void look(), POLL_MS).unref();
  // The folder and not the file: whoever replaces a file by renaming another one over it leaves the old one to the watcher.
  const folders = new Set([dirname(files.certPath), dirname(files.keyPath)]);
  const watchers = [...folders].flatMap((folder) => watchFolder(folder, lookSoon));
  return {
    options: first,
    follow(next) {
      apply = next;
      lookSoon();
    },
    close() {
      isClosed = true;
      clearInterval(polling);
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** No watcher is no failure: the files are read every POLL_MS all the same. */
function watchFolder(folder: string, onChange: () => void) {
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    watcher.on('error', () => watcher.close());
    return [watcher];
  } catch {
    return [];
  }
}

type Pair = { cert: Buffer; key: Buffer; minVersion: typeof MIN_TLS_VERSION };

async function readPair({ certPath, keyPath }: TlsFiles): Promise<Pair> {
  const cert = await readPem('--tls-cert', certPath);
  const key = await readPem('--tls-key', keyPath);
  const pair: Pair = { cert, key, minVersion: MIN_TLS_VERSION };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const message = `certificate ${certPath} and key ${keyPath} cannot be used together; both are PEM, the key without a passphrase`;
    throw new LarderError('server.tls', message, { cause });
  }
  return pair;
}

async function readPem(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new LarderError('server.tls', `cannot read the file of ${option}`, { cause });
  }
}

function textOf({ cert, key }: Pair): string {
  return `${cert.toString('latin1')}\0${key.toString('latin1')}`;
}

function describePair({ cert }: Pair): object {
  const { subjectAltName, subject, validTo, fingerprint256 } = new X509Certificate(cert);
  return { names: subjectAltName ?? subject, validTo, fingerprint256 };
}
