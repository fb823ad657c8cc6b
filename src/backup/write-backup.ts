import { createHash, hash } from 'node:crypto';
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openDiskBlobs } from '../blobs/index.ts';
import { formatTime } from '../lib/clock.ts';
import { type Digest, digestOfHex } from '../lib/digest.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import { PIECE_BYTES, PieceDigest } from '../lib/piece-digest.ts';
import { copySqliteStore, inspectSqliteStore, type StoreInspector } from '../store/index.ts';
import { type About, type BlobList, blobMember, FORMAT_VERSION, MEMBER } from './contents.ts';
import { type NewFile, writeNewFile } from './new-file.ts';
import { TAR_END, tarHeader, tarPadding } from './tar.ts';

const BATCH = 500;

export type BackupOptions = {
  dataDirectory: string;
  databasePath: string;
  sealKeyPath: string;
  /** The new file; one that is there is not written over. */
  file: string;
  withKey: boolean;
  withBlobs: boolean;
  version: string;
  nowMs: number;
  signal: AbortSignal;
  onBytes?: (written: number, total: number) => void;
};

export type BackupSummary = { bytes: number; snapshots: number; blobs: number; blobBytes: number };

/**
 * Writes a backup of a data folder, also while a server uses it: a copy of the database as it was at one instant, with the
 * snapshot manifests in it, the list of blobs, on wish the blobs and the key of the server; in one tar archive, the last member
 * of which has the sha256 sums of the others. Image caches that are deleted while it runs may be missing in it. Throws `backup.exists`, `backup.cannot-write`, `backup.blob-damaged`.
 */
export async function writeBackup(options: BackupOptions): Promise<BackupSummary> {
  const { file, databasePath } = options;
  if ((await stat(file).catch(() => undefined)) !== undefined) {
    throw new LarderError('backup.exists', `${file} is there already; choose another name`);
  }
  // Closed to others, on the disk of the backup: the copy has what the database has.
  const work = await mkdtemp(join(dirname(file), '.larder-backup-')).catch((cause: unknown) => {
    throw new LarderError('backup.cannot-write', `cannot write into ${dirname(file)}`, { cause });
  });
  try {
    const database = join(work, MEMBER.database);
    copySqliteStore(databasePath, database);
    const store = await inspectSqliteStore(database, 'write');
    let blobs: BlobList;
    let snapshots: number;
    try {
      snapshots = await addManifests(store, options);
      blobs = await blobList(store);
    } finally {
      await store.close();
    }
    let bytes = 0;
    await writeNewFile(file, async (target) => {
      bytes = await writeArchive(target, { ...options, database, blobs });
    });
    return { bytes, snapshots, blobs: blobs.length, blobBytes: blobs.reduce((sum, blob) => sum + blob.bytes, 0) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Copies manifests that the server has not copied into the database yet, and drops the image caches that were deleted before
 * that was done. Gives how many snapshots there are.
 */
async function addManifests(store: StoreInspector, options: BackupOptions): Promise<number> {
  const blobs = await openDiskBlobs({ directory: options.dataDirectory });
  const live = await inspectSqliteStore(options.databasePath, 'read');
  try {
    let count = 0;
    for (let after: string | undefined; ; ) {
      const rows = await store.health.snapshots({ after, limit: BATCH });
      for (const { snapshotId, imageCacheId, copyDigest } of rows) {
        options.signal.throwIfAborted();
        count++;
        if (copyDigest !== undefined) continue;
        const text = await blobs.getSnapshot(snapshotId);
        if (text !== undefined) {
          await store.health.keepCopy(snapshotId, { text, digest: digestOfHex(hash('sha256', text, 'hex')) });
        } else if ((await live.health.snapshot(snapshotId)) === undefined) {
          await store.removeCache(imageCacheId);
          count--;
        }
      }
      if (rows.length < BATCH) return count;
      after = rows.at(-1)?.snapshotId;
    }
  } finally {
    await live.close();
  }
}

async function blobList(store: StoreInspector): Promise<BlobList> {
  const list: BlobList = [];
  for (let after: Digest | undefined; ; ) {
    const rows = await store.health.storedBlobs({ after, limit: BATCH });
    for (const { diffId, blobBytes, blobDigest } of rows) {
      list.push({ key: diffId, bytes: blobBytes, ...(blobDigest === undefined ? {} : { digest: blobDigest }) });
    }
    if (rows.length < BATCH) return list;
    after = rows.at(-1)?.diffId;
  }
}

async function writeArchive(
  target: NewFile,
  options: BackupOptions & { database: string; blobs: BlobList },
): Promise<number> {
  const { database, blobs, withBlobs, withKey, signal, onBytes } = options;
  const sums: string[] = [];
  const databaseBytes = (await stat(database)).size;
  const total = databaseBytes + (withBlobs ? blobs.reduce((sum, { bytes }) => sum + bytes, 0) : 0);
  let written = 0;

  async function add(name: string, bytes: number, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    await target.write(tarHeader({ name, bytes }));
    const sum = createHash('sha256');
    let size = 0;
    for await (const chunk of content) {
      signal.throwIfAborted();
      sum.update(chunk);
      size += chunk.length;
      await target.write(chunk);
      written += chunk.length;
      onBytes?.(Math.min(written, total), total);
    }
    if (size !== bytes) throw new LarderError('backup.changed', `${name} changed while it was read: try again`);
    await target.write(tarPadding(bytes));
    sums.push(`${sum.digest('hex')}  ${name}\n`);
  }
  const addText = (name: string, text: string) => add(name, Buffer.byteLength(text), [Buffer.from(text)]);

  const about: About = {
    format: FORMAT_VERSION,
    larder: options.version,
    createdAt: formatTime(options.nowMs),
    hasKey: withKey,
    hasBlobs: withBlobs,
  };
  await addText(MEMBER.about, `${JSON.stringify(about)}\n`);
  await addText(MEMBER.blobs, `${JSON.stringify(blobs)}\n`);
  if (withKey) {
    const key = await readFile(options.sealKeyPath);
    await add(MEMBER.key, key.length, [key]);
  }
  if (withBlobs) {
    const folder = await openDiskBlobs({ directory: options.dataDirectory });
    for (const blob of blobs) {
      const path = folder.path(blob.key);
      // Its image cache was deleted since the database was copied.
      if ((await folder.size(blob.key)) !== blob.bytes) continue;
      await add(blobMember(blob.key), blob.bytes, verifiedPieces(path, blob));
    }
  }
  await add(MEMBER.database, databaseBytes, piecesOf(database));
  await addText(MEMBER.sums, sums.join(''));
  await target.write(TAR_END);
  return written;
}

async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      let filled = 0;
      while (filled < PIECE_BYTES) {
        const { bytesRead } = await file.read(piece, filled, PIECE_BYTES - filled, null);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled > 0) yield piece.subarray(0, filled);
      if (filled < PIECE_BYTES) return;
    }
  } finally {
    await file.close();
  }
}

/** A damaged blob is not worth a backup: there is one way to find out, and one to mend it. */
async function* verifiedPieces(path: string, blob: BlobList[number]): AsyncGenerator<Uint8Array> {
  const pieces = new PieceDigest();
  let index = 0;
  try {
    for await (const piece of piecesOf(path)) {
      pieces.setPiece(index++, piece);
      yield piece;
    }
  } catch (cause) {
    if (errorCode(cause) !== 'EIO') throw cause;
    throw damaged(blob.key, cause);
  }
  if (blob.digest !== undefined && pieces.digest() !== blob.digest) throw damaged(blob.key);
}

function damaged(key: Digest, cause?: unknown): LarderError {
  const message = `layer ${key} is damaged on the disk: run larder scrub, then the backup again`;
  return new LarderError('backup.blob-damaged', message, { cause, facts: { layer: key } });
}
