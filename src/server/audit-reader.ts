import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../lib/errors.ts';
import { type AuditRecord, parseAuditRecord } from './audit-record.ts';

const CHUNK_BYTES = 64 * 1024;
/** How often a log that is followed is looked at. */
const FOLLOW_POLL_MS = 300;
/** A line that is longer is none of ours. */
const MAX_LINE_CHARS = 64 * 1024;

/**
 * The records of an audit log with its older files, oldest first; with `follow` also those to come, until the signal aborts,
 * which ends it without an error.
 */
export async function* readAuditLog(
  path: string,
  options: { follow: boolean; signal: AbortSignal },
): AsyncGenerator<AuditRecord> {
  for (const older of await olderFiles(path)) yield* readFileTo(older, { ...options, follow: false });
  while (!options.signal.aborted) {
    yield* readFileTo(path, options);
    if (!options.follow) return;
    await sleep(FOLLOW_POLL_MS, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/** `path.3`, `path.2`, `path.1`. */
async function olderFiles(path: string): Promise<string[]> {
  const name = basename(path);
  const names = await readdir(dirname(path)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  return names
    .flatMap((each) => {
      const number = each.startsWith(`${name}.`) ? each.slice(name.length + 1) : '';
      return /^\d+$/.test(number) ? [Number(number)] : [];
    })
    .toSorted((a, b) => b - a)
    .map((number) => join(dirname(path), `${name}.${number}`));
}

/** One file to its end; when it is followed, until another one took its place. */
async function* readFileTo(
  path: string,
  { follow, signal }: { follow: boolean; signal: AbortSignal },
): AsyncGenerator<AuditRecord> {
  const handle = await openIfThere(path);
  if (!handle) return;
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let rest = '';
    let isReplaced = false;
    const decoder = new TextDecoder();
    while (!signal.aborted) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES);
      if (bytesRead > 0) {
        const lines = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n');
        rest = (lines.pop() ?? '').slice(-MAX_LINE_CHARS);
        yield* lines.flatMap((line) => parseAuditRecord(line) ?? []);
        continue;
      }
      if (!follow || isReplaced) return;
      // Once more after it was replaced: the last lines may have come in between.
      isReplaced = await wasReplaced(handle, path);
      if (!isReplaced) await sleep(FOLLOW_POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await handle.close();
  }
}

async function wasReplaced(handle: FileHandle, path: string): Promise<boolean> {
  const there = await openIfThere(path);
  if (!there) return true;
  try {
    const [own, now] = [await handle.stat(), await there.stat()];
    return own.ino !== now.ino || own.dev !== now.dev;
  } finally {
    await there.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
