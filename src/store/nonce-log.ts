import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { errorCode, LarderError } from '../lib/errors.ts';
import type { Fingerprint } from './fingerprint-set.ts';

/** Minute of expiry since 1970 and the two halves of the fingerprint, 32 bits each, little-endian. */
const RECORD_BYTES = 12;
const FILE_MODE = 0o600;

export type NonceLog = {
  /** Reads what the last run wrote; call it once, before the first `append`. */
  load(take: (minute: number, fingerprint: Fingerprint) => void): void;
  append(minute: number, fingerprint: Fingerprint, nowMinute: number): void;
  close(): void;
};

type File = { readonly fd: number; bytes: number; lastMinute: number };

/**
 * Nonces in two files, `PATH.nonces` and the one before it, `PATH.nonces.old`: the files change places once all of the old one
 * has expired. Nobody waits for the disk: what a process wrote outlives it, though not a power cut; whoever replays a request
 * then would have to have recorded it just before. A record that was cut off by one is ignored.
 */
export function createNonceLog(path: string): NonceLog {
  const [current, old] = [`${path}.nonces`, `${path}.nonces.old`];
  const record = Buffer.alloc(RECORD_BYTES);
  let file: File | undefined;
  let oldLastMinute = 0;

  function rotate(full: File): File {
    renameSync(current, old);
    oldLastMinute = full.lastMinute;
    file = undefined;
    closeSync(full.fd);
    return openFile(current, 0);
  }

  return {
    load(take) {
      translated(() => {
        oldLastMinute = readAll(old, take);
        file = openFile(current, readAll(current, take));
      });
    },
    append(minute, [high, low], nowMinute) {
      translated(() => {
        file ??= openFile(current, 0);
        if (file.bytes > 0 && oldLastMinute <= nowMinute) file = rotate(file);
        record.writeUInt32LE(minute, 0);
        record.writeUInt32LE(high, 4);
        record.writeUInt32LE(low, 8);
        // Not at the end but after the last whole record, in case an earlier write got only half of one out.
        if (writeSync(file.fd, record, 0, RECORD_BYTES, file.bytes) < RECORD_BYTES) throw noSpace();
        file.bytes += RECORD_BYTES;
        file.lastMinute = Math.max(file.lastMinute, minute);
      });
    },
    close() {
      if (file) closeSync(file.fd);
      file = undefined;
    },
  };
}

function readAll(name: string, take: (minute: number, fingerprint: Fingerprint) => void): number {
  const bytes = readIfThere(name);
  let lastMinute = 0;
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const minute = bytes.readUInt32LE(at);
    take(minute, [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)]);
    lastMinute = Math.max(lastMinute, minute);
  }
  return lastMinute;
}

function readIfThere(name: string): Buffer {
  try {
    return readFileSync(name);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

function openFile(name: string, lastMinute: number): File {
  const fd = openSync(name, constants.O_WRONLY | constants.O_CREAT, FILE_MODE);
  const { size } = fstatSync(fd);
  return { fd, bytes: size - (size % RECORD_BYTES), lastMinute };
}

function translated<T>(operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    if (cause instanceof LarderError) throw cause;
    if (errorCode(cause) === 'ENOSPC') throw noSpace(cause);
    throw new LarderError('store.io', 'the log of nonces cannot be read or written: check the data folder', { cause });
  }
}

function noSpace(cause?: unknown): LarderError {
  return new LarderError('store.no-space', 'the disk of the data folder is full: free space', { cause });
}
