import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DiskBlobs, openDiskBlobs } from '../blobs/index.ts';
import type { Digest } from '../lib/digest.ts';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { PIECE_BYTES, PieceDigest } from '../lib/piece-digest.ts';
import { syncFolder } from '../lib/publish-file.ts';
import { inspectSqliteStore, RESTORING_SUFFIX } from '../store/index.ts';
import {
  type About,
  aboutSchema,
  type BlobList,
  blobListSchema,
  FORMAT_VERSION,
  keyOfMember,
  MAX_DOCUMENT_BYTES,
  MEMBER,
} from './contents.ts';
import { writeNewFile } from './new-file.ts';
import { BLOCK_BYTES, readTarHeader, type TarMember } from './tar.ts';

const BATCH = 500;

export type RestoreOptions = {
  file: string;
  /** The new data folder: missing or empty. */
  dataDirectory: string;
  /** The key of the server, where it is not in the backup. */
  sealKey?: Uint8Array | undefined;
  signal: AbortSignal;
  onBytes?: (read: number, total: number) => void;
};

export type RestoreSummary = {
  about: About;
  hasKey: boolean;
  snapshots: number;
  blobs: number;
  /** Listed in the backup and not in it: the server rebuilds them from their registries. */
  missingBlobs: number;
};

/**
 * Makes a data folder from a backup. The database gets its name last, once all sums are right; until then there is another one
 * in its place, from the first step on, by which a server knows not to start.
 * Throws `backup.not-empty`, `backup.damaged`, `backup.newer`; what was written before goes again.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreSummary> {
  const { dataDirectory, file } = options;
  await mustBeEmpty(dataDirectory);
  const archive = await open(file).catch((cause: unknown) => {
    throw new LarderError('backup.cannot-read', `cannot read ${file}: ${describeError(cause)}`);
  });
  try {
    await mkdir(dataDirectory, { recursive: true, mode: 0o755 });
    await writeNewFile(stagedDatabase(dataDirectory), async () => {});
    return await unpack(archive, options);
  } catch (error) {
    await emptyFolder(dataDirectory);
    throw error;
  } finally {
    await archive.close();
  }
}

function stagedDatabase(dataDirectory: string): string {
  return join(dataDirectory, `${MEMBER.database}${RESTORING_SUFFIX}`);
}

/** What says that the restore did not end goes last. */
async function emptyFolder(folder: string): Promise<void> {
  const last = stagedDatabase(folder);
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  for (const path of paths.filter((each) => each !== last)) await rm(path, { recursive: true });
  await rm(last, { force: true });
}

async function mustBeEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw new LarderError('backup.not-empty', `${folder} is no folder`, { cause: error });
  });
  if (names.length === 0) return;
  throw new LarderError('backup.not-empty', `${folder} is not empty: a backup is restored into a new folder`);
}

async function unpack(archive: FileHandle, options: RestoreOptions): Promise<RestoreSummary> {
  const { dataDirectory, signal, onBytes } = options;
  const total = (await archive.stat()).size;
  const blobs = await openDiskBlobs({ directory: dataDirectory });
  const sums = new Map<string, string>();
  const database = join(dataDirectory, MEMBER.database);
  const staged = stagedDatabase(dataDirectory);
  let about: About | undefined;
  let list: BlobsByKey | undefined;
  let listed = '';
  let stored = 0;
  let key = options.sealKey;

  for await (const member of members(archive, { signal, onBytes: (read) => onBytes?.(read, total) })) {
    const sum = createHash('sha256');
    async function* summed(): AsyncGenerator<Uint8Array> {
      for await (const piece of member.content) {
        sum.update(piece);
        yield piece;
      }
    }
    if (member.name === MEMBER.about) about = readAbout(await readAll(member, summed()));
    else if (member.name === MEMBER.blobs) list = readList(await readAll(member, summed()));
    else if (member.name === MEMBER.key) key = await readAll(member, summed());
    else if (member.name === MEMBER.sums) listed = (await readAll(member, summed())).toString('utf8');
    else if (member.name === MEMBER.database) await writeStaged(staged, summed());
    else {
      await storeBlob(blobs, { member, content: summed(), list });
      stored++;
    }
    if (member.name !== MEMBER.sums) sums.set(member.name, sum.digest('hex'));
  }
  const expected = [...sums].map(([name, hex]) => `${hex}  ${name}\n`).join('');
  if (about === undefined || list === undefined || listed === '' || listed !== expected) throw damaged();
  const snapshots = await writeManifests(staged, blobs, signal);
  if (key) {
    const bytes = key;
    await writeNewFile(join(dataDirectory, MEMBER.key), (file) => file.write(bytes));
  }
  await rename(staged, database);
  await syncFolder(dataDirectory);
  return { about, hasKey: key !== undefined, snapshots, blobs: stored, missingBlobs: list.size - stored };
}

type Member = TarMember & { content: AsyncIterable<Buffer> };

async function* members(
  archive: FileHandle,
  { signal, onBytes }: { signal: AbortSignal; onBytes: (read: number) => void },
): AsyncGenerator<Member> {
  let position = 0;
  for (;;) {
    signal.throwIfAborted();
    const header = readTarHeader(await readAt(archive, position, BLOCK_BYTES));
    if (header === undefined) return;
    const start = position + BLOCK_BYTES;
    const { bytes } = header;
    async function* content(): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes; at += PIECE_BYTES) {
        signal.throwIfAborted();
        yield await readAt(archive, start + at, Math.min(PIECE_BYTES, bytes - at));
        onBytes(start + at);
      }
    }
    yield { ...header, content: content() };
    position = start + Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) throw damaged();
    filled += bytesRead;
  }
  return bytes;
}

async function readAll(member: TarMember, content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (member.bytes > MAX_DOCUMENT_BYTES) throw damaged();
  return Buffer.concat(await Array.fromAsync(content));
}

function readAbout(text: Buffer): About {
  const about = aboutSchema.parse(parseJson(text));
  if (about.format <= FORMAT_VERSION) return about;
  const message = `the backup has format ${about.format}: restore it with Larder ${about.larder} or later`;
  throw new LarderError('backup.newer', message);
}

type BlobsByKey = ReadonlyMap<Digest, BlobList[number]>;

function readList(text: Buffer): BlobsByKey {
  return new Map(blobListSchema.parse(parseJson(text)).map((blob) => [blob.key, blob]));
}

function parseJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw damaged(cause);
  }
}

async function writeStaged(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  await writeNewFile(path, async (file) => {
    for await (const piece of content) await file.write(piece);
  });
}

/** A blob becomes visible only when its digest is right. */
async function storeBlob(
  blobs: DiskBlobs,
  { member, content, list }: { member: TarMember; content: AsyncIterable<Uint8Array>; list: BlobsByKey | undefined },
): Promise<void> {
  const key = keyOfMember(member.name);
  const entry = key === undefined ? undefined : list?.get(key);
  if (entry === undefined || entry.bytes !== member.bytes) throw damaged();
  const pieces = new PieceDigest();
  const ingest = await blobs.begin();
  try {
    let index = 0;
    for await (const piece of content) {
      pieces.setPiece(index, piece);
      await ingest.writev([piece], index * PIECE_BYTES);
      index++;
    }
    if (entry.digest !== undefined && pieces.digest() !== entry.digest) throw damaged();
    await ingest.commit(entry.key, entry.bytes);
  } finally {
    await ingest.abort();
  }
}

/** Checks the database and writes the snapshot manifests that are in it. */
async function writeManifests(database: string, blobs: DiskBlobs, signal: AbortSignal): Promise<number> {
  const store = await inspectSqliteStore(database, 'migrate');
  try {
    if ([...store.integrity(), ...store.foreignKeys()].length > 0) throw damaged();
    let written = 0;
    for (let after: string | undefined; ; ) {
      const rows = await store.health.snapshots({ after, limit: BATCH });
      for (const { snapshotId } of rows) {
        signal.throwIfAborted();
        const text = await store.health.copyOf(snapshotId);
        if (text === undefined) continue;
        await blobs.putSnapshot(snapshotId, text);
        written++;
      }
      if (rows.length < BATCH) return written;
      after = rows.at(-1)?.snapshotId;
    }
  } finally {
    await store.close();
  }
}

function damaged(cause?: unknown): LarderError {
  return new LarderError('backup.damaged', 'this is no backup of Larder, or it is damaged', { cause });
}
