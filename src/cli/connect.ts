import { readFile } from 'node:fs/promises';
import type { Client } from '../client/index.ts';
import {
  type ClientSettings,
  defaultDataDirectory,
  profilePath,
  readProfile,
  resolveClientSettings,
} from '../config/index.ts';
import { LarderError } from '../lib/errors.ts';
import type { Io } from './io.ts';

/** What the commands ask of a client of the API. */
export type ApiClient = {
  /** Parameters in the API's flat form, `Image.1`; the answer in the API's own field names. */
  call(action: string, params: Readonly<Record<string, string>>, options: { signal: AbortSignal }): Promise<unknown>;
  /** The messages of one of the server's event streams, parsed. */
  openEvents(
    path: string,
    query: Readonly<Record<string, string>>,
    options: { signal: AbortSignal },
  ): AsyncIterable<unknown>;
};

/** No answer of the API takes longer: builds are asynchronous. */
const CALL_TIMEOUT_MS = 30_000;

/** A client of the API with the settings of environment or profile; the modules behind it are only loaded now. */
export async function connect(io: Io): Promise<ApiClient & Pick<Client, 'openBody' | 'openLargeBody'>> {
  const settings = await resolveClientSettings(io.env, () => readProfile(profilePath(io.env)));
  const { createClient } = await import('../client/index.ts');
  return createClient({ ...settings, trust: await readTrust(settings), timeoutMs: CALL_TIMEOUT_MS });
}

/** The certificates that the settings name, beside the well-known authorities and those of NODE_EXTRA_CA_CERTS. */
async function readTrust({ caCertPath, pinnedCertPath }: ClientSettings) {
  if (caCertPath !== undefined) return { authorities: await readCertificate(caCertPath) };
  return pinnedCertPath === undefined ? undefined : { pinned: await readCertificate(pinnedCertPath) };
}

async function readCertificate(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new LarderError(
      'cli.certificate',
      `cannot read the certificate ${path}; LARDER_CA_CERT names the file of the server's authority`,
      { cause },
    );
  }
}

/** The server's data folder, for commands on its own machine: `--data`, else `LARDER_DATA`, else the profile, else the default. */
export async function serverDataDirectory(io: Io, option: string | undefined): Promise<string> {
  if (option !== undefined || io.env.LARDER_DATA)
    return defaultDataDirectory({ LARDER_DATA: option ?? io.env.LARDER_DATA });
  return (await readProfile(profilePath(io.env)))?.dataDirectory ?? defaultDataDirectory(io.env);
}
