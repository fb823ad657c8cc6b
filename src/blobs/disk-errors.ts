import { errorCode, LarderError } from '../lib/errors.ts';

/** What the operating system says (errno(3)) → our code, and what to do about it. */
const KNOWN: Readonly<Record<string, { code: string; advice: string }>> = {
  ENOSPC: { code: 'blobs.no-space', advice: 'the disk of the data folder is full: free space or delete image caches' },
  EDQUOT: { code: 'blobs.no-space', advice: 'the disk quota is used up: raise it or delete image caches' },
  EFBIG: { code: 'blobs.no-space', advice: 'the file is larger than its file system or ulimit allows' },
  EIO: { code: 'blobs.io', advice: 'the disk of the data folder reports an error: check the kernel log and the disk' },
  EROFS: {
    code: 'blobs.read-only',
    advice: 'the data folder is mounted read-only: check the kernel log, then remount it',
  },
  EMFILE: { code: 'blobs.too-many-files', advice: 'the process has too many open files: raise ulimit -n' },
  ENFILE: { code: 'blobs.too-many-files', advice: 'the machine has too many open files: raise fs.file-max' },
  EACCES: { code: 'blobs.permission', advice: 'the data folder does not belong to the user that runs Larder' },
  EPERM: { code: 'blobs.permission', advice: 'the data folder does not belong to the user that runs Larder' },
};

/** Runs a file operation and translates its failure: `blobs.no-space`, `blobs.io`, `blobs.read-only`, …, else `blobs.failed`. */
export async function onDisk<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw diskError(error);
  }
}

function diskError(cause: unknown): LarderError {
  if (cause instanceof LarderError) return cause;
  const errno = errorCode(cause) ?? 'unknown';
  const known = KNOWN[errno] ?? { code: 'blobs.failed', advice: 'the data folder cannot be used' };
  return new LarderError(known.code, known.advice, { cause, facts: { errno } });
}
