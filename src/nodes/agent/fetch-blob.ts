import { link, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isMarkedVerified,
  makeFolder,
  markVerified,
  onDisk,
  removeDurably,
  syncName,
  verifyFile,
} from '../../blobs/index.ts';
import { errorCode, LarderError } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/format.ts';
import type { Hashing } from '../../lib/hashing.ts';
import { PIECE_BYTES } from '../../lib/piece-digest.ts';
import { layerFileOf } from '../index.ts';
import { fileSize } from './data-folder.ts';
import type { BlobBytes } from './node-source.ts';
import { openPartFile, type PartFile } from './part-file.ts';
import type { WantedBlob } from './wanted-blobs.ts';

/** Connections that broke one after the other without a byte in between, before a blob is given up for a while. */
const MAX_FRUITLESS_ATTEMPTS = 5;
const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
/** Kept free: what else lives on the disk should not be the one to find it full. */
const RESERVED_BYTES = 16 * 1024 * 1024;
/** A disk that is full, in blobs/disk-errors.ts. */
const NO_SPACE = 'blobs.no-space';

export type FetchBlobOptions = {
  readonly dataDirectory: string;
  /** A server's data folder on the same file system, to link from. */
  readonly serverData?: string | undefined;
  readonly open: (from: number, signal: AbortSignal) => Promise<BlobBytes>;
  /** Bytes there so far; it falls when some turn out to be wrong. */
  readonly onBytes: (have: number) => void;
  readonly hashing: Hashing;
  readonly signal: AbortSignal;
  /** The first wait after a broken connection. */
  readonly baseDelayMs?: number;
};

/** How a blob came. */
export type Fetched = 'present' | 'linked' | 'downloaded';

/**
 * Makes sure that a blob lies in the data folder, verified: takes what is there, links it from a server's folder, or downloads
 * it, going on where an earlier download broke off. Nothing becomes visible whose bytes have not the blob's digest.
 * Throws `agent.blob-differs`, `agent.no-space`, `agent.bad-answer`, `blobs.…`, and what `open` throws.
 */
export async function fetchBlob(blob: WantedBlob, options: FetchBlobOptions): Promise<Fetched> {
  const { dataDirectory, serverData, hashing, signal } = options;
  const path = layerFileOf(dataDirectory, blob.key);
  if (await isPresent(path, blob, signal)) return 'present';
  if (serverData !== undefined && (await linkFrom(layerFileOf(serverData, blob.key), path, blob))) return 'linked';
  const part = await openPartFile(path, { maxBytes: blob.bytes, hashing, signal });
  try {
    await download(part, blob, options);
    return 'downloaded';
  } catch (error) {
    // What is left of it would keep others from what space there is.
    if (errorCode(error) === NO_SPACE) {
      await part.remove();
      throw noSpace(blob, error);
    }
    throw error;
  } finally {
    await part.close().catch(() => undefined);
  }
}

/** A file that lost its mark (a copy, a restored backup) is read and marked again; one that is not the blob is removed. */
async function isPresent(path: string, blob: WantedBlob, signal: AbortSignal): Promise<boolean> {
  const size = await fileSize(path);
  if (size === undefined) return false;
  if (size === blob.bytes) {
    if (await isMarkedVerified(path)) return true;
    if (await verifyFile(path, blob.blobDigest, signal)) {
      await markVerified(path);
      return true;
    }
  }
  await removeDurably(path);
  return false;
}

/** A second name for the server's file; false where that can't be, or the server's file is not known to be good. */
async function linkFrom(source: string, path: string, blob: WantedBlob): Promise<boolean> {
  if ((await fileSize(source)) !== blob.bytes || !(await isMarkedVerified(source))) return false;
  await makeFolder(dirname(path));
  try {
    await link(source, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') return false;
  }
  await syncName(path);
  return true;
}

async function download(part: PartFile, blob: WantedBlob, options: FetchBlobOptions): Promise<void> {
  const { onBytes, signal } = options;
  // A second time from nothing: what an earlier process left may be wrong without anyone's fault now.
  for (let resumed = part.size > 0; ; resumed = false) {
    onBytes(part.size);
    await checkSpace(options.dataDirectory, blob.bytes - part.size);
    await readAll(part, blob, options);
    if ((await part.digest()) === blob.blobDigest) return part.publish();
    await part.rewind(0);
    onBytes(0);
    if (resumed) continue;
    signal.throwIfAborted();
    await part.remove();
    const message = `the ${formatBytes(blob.bytes)} that came as ${blob.key} are not what was built: something between the server's disk and here changes bytes`;
    throw new LarderError('agent.blob-differs', message, { facts: { key: blob.key } });
  }
}

/** Reads until all bytes are there, over as many connections as it takes while some get further. */
async function readAll(part: PartFile, blob: WantedBlob, options: FetchBlobOptions): Promise<void> {
  const { signal, baseDelayMs = BASE_DELAY_MS } = options;
  for (let fruitless = 0; part.size < blob.bytes; ) {
    const before = part.size;
    try {
      await readOnce(part, blob, options);
    } catch (error) {
      signal.throwIfAborted();
      // Bytes beyond the last whole piece are read again, with the rest of theirs.
      await part.rewind(Math.floor(part.size / PIECE_BYTES) * PIECE_BYTES);
      fruitless = part.size > before ? 1 : fruitless + 1;
      if (!isPassing(error) || fruitless >= MAX_FRUITLESS_ATTEMPTS) throw error;
      await sleep(Math.min(baseDelayMs * 2 ** (fruitless - 1), MAX_DELAY_MS), undefined, { signal });
    }
  }
}

async function readOnce(part: PartFile, blob: WantedBlob, { open, onBytes, signal }: FetchBlobOptions): Promise<void> {
  const answer = await open(part.size, signal);
  const chunks = answer.bytes[Symbol.asyncIterator]();
  try {
    if (answer.total !== blob.bytes || (answer.begins !== 0 && answer.begins !== part.size)) {
      const message = `the server has ${answer.total} bytes of ${blob.key} from ${answer.begins} on instead of ${blob.bytes} from ${part.size}`;
      throw new LarderError('agent.bad-answer', message);
    }
    if (answer.begins !== part.size) await part.rewind(answer.begins);
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      if (part.size + next.value.length > blob.bytes)
        throw new LarderError('agent.bad-answer', `the server sent more than the ${blob.bytes} bytes of ${blob.key}`);
      await part.append(next.value);
      onBytes(part.size);
    }
    if (part.size < blob.bytes) throw new LarderError('client.connection-failed', 'the connection ended too early');
  } finally {
    await chunks.return?.();
  }
}

/** Broken connections and a server that is busy; not a refusal. */
function isPassing(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  if (!(error instanceof LarderError) || code !== 'client.api-error') return code.startsWith('client.');
  const { status, apiCode } = error.facts;
  return Number(status) >= 500 || String(apiCode).startsWith('Throttling');
}

async function checkSpace(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await onDisk(() => statfs(directory));
  if (bavail * bsize >= bytes + RESERVED_BYTES) return;
  const message = `${formatBytes(bytes)} are to come and ${formatBytes(bavail * bsize)} are free`;
  throw new LarderError(NO_SPACE, message);
}

function noSpace({ key, bytes }: WantedBlob, cause: unknown): LarderError {
  const message = `the disk of the data folder is too full for ${key} (${formatBytes(bytes)}): free space, or choose fewer caches`;
  return new LarderError('agent.no-space', message, { cause, facts: { bytes } });
}
