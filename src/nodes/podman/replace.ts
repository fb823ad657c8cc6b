import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { errorCode } from '../../lib/errors.ts';

/** As many bytes as containers/storage compares (pkg/lockfile, `lastWriterIDSize`). */
const LAST_WRITER_BYTES = 64;

/** Makes a file have this content, all or nothing, on stable storage. False where it has it already. */
export function replaceFile(path: string, content: string, mode = 0o600): boolean {
  if (readOrNothing(path) === content) return false;
  const fresh = `${path}.new`;
  const fd = openSync(fresh, 'w', mode);
  try {
    writeSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
  return true;
}

/** Makes a symbolic link lead there, never absent in between. */
export function replaceLink(path: string, target: string): void {
  if (linkTarget(path) === target) return;
  const fresh = `${path}.new`;
  rmSync(fresh, { recursive: true, force: true });
  symlinkSync(target, fresh);
  // A link can't be renamed over a directory.
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) rmSync(path, { recursive: true });
  renameSync(fresh, path);
}

export function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/**
 * Tells processes that run for long (CRI-O, Podman's service) to read a list again: they compare the bytes of its lock file.
 * To be called after the list was written: whoever reads in between reads once more.
 */
export function touchLockFile(path: string): void {
  const fd = openSync(path, 'a+', 0o644);
  closeSync(fd);
  const file = openSync(path, 'r+');
  try {
    writeSync(file, randomBytes(LAST_WRITER_BYTES), 0, LAST_WRITER_BYTES, 0);
  } finally {
    closeSync(file);
  }
}

export function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
