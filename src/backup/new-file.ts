import { randomBytes } from 'node:crypto';
import { constants, open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { publishFile } from '../lib/publish-file.ts';

/** The owner's alone: there are sealed secrets in it, and maybe the key. */
const FILE_MODE = 0o600;

export type NewFile = { write(bytes: Uint8Array): Promise<void> };

/**
 * Writes a file that is there whole and on stable storage, or not at all (lib/publish-file.ts). Throws `backup.cannot-write`,
 * naming the cause.
 */
export async function writeNewFile(path: string, fill: (file: NewFile) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  const handle = await open(temporary, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, FILE_MODE).catch(
    (cause: unknown) => {
      throw cannotWrite(path, cause);
    },
  );
  let written = 0;
  try {
    await fill({
      async write(bytes) {
        await handle.appendFile(bytes).catch(failed);
        written += bytes.byteLength;
      },
    });
    await publishFile(handle, { from: temporary, to: path, bytes: written }).catch(failed);
    await handle.close();
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }

  function failed(cause: unknown): never {
    throw cannotWrite(path, cause);
  }
}

function cannotWrite(path: string, cause: unknown): LarderError {
  const errno = errorCode(cause) ?? 'unknown';
  return new LarderError('backup.cannot-write', `cannot write ${path}: ${describeError(cause)}`, { facts: { errno } });
}
