import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';

const CLIENTS = join(import.meta.dirname, '../clients');

/** The sources of the programs that call with the vendor's SDKs in other languages. */
export const GO_SOURCES = join(CLIENTS, 'go');
export const PYTHON_SOURCES = join(CLIENTS, 'python');
export const PYTHON_PROGRAM = join(PYTHON_SOURCES, 'client.py');

/** What `npm run setup:tests` makes of them; other sources make others, so that none is out of date. */
export const GO_CLIENT = join(
  cacheFolder(),
  `go-client-${digestOf(GO_SOURCES, ['go.mod', 'go.sum', 'main.go', 'calls.go'])}`,
);
/** A virtual environment. */
export const PYTHON_FOLDER = join(
  cacheFolder(),
  `python-clients-${digestOf(PYTHON_SOURCES, ['requirements-build.txt', 'requirements.txt'])}`,
);
export const PYTHON = join(PYTHON_FOLDER, 'bin/python');

function digestOf(folder: string, names: readonly string[]): string {
  const hash = createHash('sha256');
  for (const name of names) hash.update(readFileSync(join(folder, name))).update('\0');
  return hash.digest('hex').slice(0, 12);
}
