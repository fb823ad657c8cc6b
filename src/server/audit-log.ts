import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { syncFolder } from '../lib/publish-file.ts';
import type { AuditRecord } from './audit-record.ts';

/** What was written is on stable storage after this long: only a power cut can take more than that. */
const SYNC_INTERVAL_MS = 1_000;
const MODE = 0o600;
const NEWLINE = 0x0a;

export type AuditLogOptions = {
  readonly path: string;
  /** A file that would become larger is renamed to `path.1`, which becomes `path.2`, and so on up to `maxFiles`. */
  readonly maxFileBytes: number;
  readonly maxFiles: number;
  readonly log: Logger;
};

export type AuditLog = {
  /** Resolves when the line is written, so that what was answered is there even when the process is killed. Never throws. */
  write(record: AuditRecord): Promise<void>;
  close(): Promise<void>;
};

/**
 * Appends records as JSON lines, mode 0600. A line that can't be written is reported to the log, and the next is tried again:
 * the change that it tells of has been made already. Throws `server.audit-log` when the file can't be opened at all.
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const { path, maxFileBytes, maxFiles, log } = options;
  let file = await openForAppend(path);
  let pending: string[] = [];
  let writing: Promise<void> | undefined;
  let isBroken = false;
  let syncTimer: NodeJS.Timeout | undefined;

  async function writePending(): Promise<void> {
    // What comes in the same turn goes out with one write.
    await Promise.resolve();
    const lines = pending;
    pending = [];
    writing = undefined;
    try {
      await append(lines.join(''));
      isBroken = false;
    } catch (error) {
      if (!isBroken) log.error({ err: describeError(error), path }, 'cannot write the audit log');
      isBroken = true;
      // Half a line may be there; its end is looked at when the file is opened again.
      await file.handle.close().catch(() => undefined);
      file = { ...file, isClosed: true };
    }
  }

  async function append(text: string): Promise<void> {
    if (file.isClosed) file = await openForAppend(path);
    const bytes = Buffer.byteLength(text);
    if (file.bytes > 0 && file.bytes + bytes > maxFileBytes) file = await rotate(file, { path, maxFiles });
    await file.handle.appendFile(text);
    file.bytes += bytes;
    syncTimer ??= setTimeout(() => void sync(), SYNC_INTERVAL_MS).unref();
  }

  async function sync(): Promise<void> {
    syncTimer = undefined;
    if (file.isClosed) return;
    await file.handle.datasync().catch((error: unknown) => {
      // It was closed meanwhile, by a new file: that syncs.
      if (errorCode(error) !== 'EBADF') log.error({ err: describeError(error), path }, 'cannot sync the audit log');
    });
  }

  let last: Promise<void> = Promise.resolve();
  return {
    write(record) {
      pending.push(`${JSON.stringify(record)}\n`);
      if (!writing) {
        writing = last.then(writePending);
        last = writing;
      }
      return writing;
    },
    async close() {
      await last;
      clearTimeout(syncTimer);
      await sync();
      if (!file.isClosed) await file.handle.close();
    },
  };
}

/** One record from a command beside the server, on stable storage when this resolves. */
export async function appendAuditRecord(path: string, record: AuditRecord): Promise<void> {
  const { handle } = await openForAppend(path);
  try {
    await handle.appendFile(`${JSON.stringify(record)}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

type OpenFile = { readonly handle: FileHandle; bytes: number; readonly isClosed?: boolean };

async function openForAppend(path: string): Promise<OpenFile> {
  try {
    const handle = await open(path, 'a+', MODE);
    await handle.chmod(MODE);
    const { size } = await handle.stat();
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    // A crash or a full disk left half a line: what follows begins a new one.
    if (size > 0 && buffer[0] !== NEWLINE) await handle.appendFile('\n');
    return { handle, bytes: size };
  } catch (cause) {
    const message = `cannot write the audit log ${path}; choose another file with --audit-log, or --audit-log off`;
    throw new LarderError('server.audit-log', message, { cause });
  }
}

async function rotate(file: OpenFile, { path, maxFiles }: { path: string; maxFiles: number }): Promise<OpenFile> {
  await file.handle.datasync();
  await file.handle.close();
  await rm(`${path}.${maxFiles}`, { force: true });
  for (let number = maxFiles - 1; number >= 0; number--) {
    await rename(number === 0 ? path : `${path}.${number}`, `${path}.${number + 1}`).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
    });
  }
  const next = await openForAppend(path);
  await syncFolder(dirname(path));
  return next;
}
