import { randomBytes } from 'node:crypto';
import { type BlobKeeper, openBlobKeeper, openDiskBlobs } from '../blobs/index.ts';
import { checkBlob, manifestProblem } from '../builds/index.ts';
import type { Digest } from '../lib/digest.ts';
import { describeError, errorCode } from '../lib/errors.ts';
import { inspectSqliteStore, type SealedText, type StoredBlob, type StoreInspector } from '../store/index.ts';
import { loadSealKey } from './data-folder.ts';
import { openDataFolder } from './open-admin.ts';
import { createSealers, type Sealers } from './sealers.ts';

/** Rows read at once. */
const BATCH = 500;

export type Problem = { what: 'database' | 'secret' | 'snapshot' | 'layer'; name: string; problem: string };
export type DataCheck = {
  problems: Problem[];
  secrets: number;
  snapshots: number;
  blobs: number;
  blobBytes: number;
};

export type CheckOptions = {
  /** Every blob is read and compared with its digest. */
  isDeep: boolean;
  signal: AbortSignal;
  /** Bytes read of those to be read, with `isDeep`. */
  onBytes?: (read: number, total: number) => void;
};

/**
 * Looks at a data folder as it is and changes nothing, beside a server or without one: the database, the secrets in it, the
 * snapshot manifest of every cache, every blob. What goes away while it looks is no problem.
 */
export async function checkData(dataDirectory: string, options: CheckOptions): Promise<DataCheck> {
  const { databasePath, sealKeyPath } = await openDataFolder(dataDirectory);
  const sealers = createSealers(await loadSealKey(sealKeyPath, randomBytes), randomBytes);
  const result: DataCheck = { problems: [], secrets: 0, snapshots: 0, blobs: 0, blobBytes: 0 };
  const told = new Set<string>();
  function tell(problem: string): void {
    if (!told.has(problem)) result.problems.push({ what: 'database', name: databasePath, problem });
    told.add(problem);
  }
  /** What a damaged database does not give cannot be checked: that is a problem to be told, and the rest is checked. */
  async function asFarAsReadable(check: () => void | Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (errorCode(error) !== 'store.corrupt') throw error;
      tell(describeError(error));
    }
  }
  await asFarAsReadable(async () => {
    const store = await inspectSqliteStore(databasePath, 'read');
    try {
      await asFarAsReadable(() => store.integrity().forEach(tell));
      await asFarAsReadable(() => store.foreignKeys().forEach(tell));
      await asFarAsReadable(() => checkSecrets(store, sealers, result));
      await asFarAsReadable(() => checkSnapshots(store, dataDirectory, { result, signal: options.signal }));
      await asFarAsReadable(() => checkBlobs(store, dataDirectory, { result, options }));
    } finally {
      await store.close();
    }
  });
  return result;
}

async function checkSecrets(store: StoreInspector, sealers: Sealers, result: DataCheck): Promise<void> {
  for (const sealed of await store.sealed()) {
    result.secrets++;
    const problem = sealProblem(sealed, sealers);
    if (problem !== undefined) result.problems.push({ what: 'secret', name: sealed.what, problem });
  }
}

function sealProblem({ purpose, text }: SealedText, sealers: Sealers): string | undefined {
  try {
    (purpose === 'access-key' ? sealers.accessKeys : sealers.registryCredentials).open(text);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

async function checkSnapshots(
  store: StoreInspector,
  directory: string,
  { result, signal }: { result: DataCheck; signal: AbortSignal },
): Promise<void> {
  const blobs = await openDiskBlobs({ directory });
  for (let after: string | undefined; ; ) {
    const rows = await store.health.snapshots({ after, limit: BATCH });
    for (const row of rows) {
      signal.throwIfAborted();
      const problem = await manifestProblem(row, { blobs });
      result.snapshots++;
      if (problem === undefined) continue;
      const name = `${row.snapshotId} of ${row.imageCacheId}`;
      // Its cache may have been deleted while we looked.
      if (await store.health.snapshot(row.snapshotId)) result.problems.push({ what: 'snapshot', name, problem });
    }
    if (rows.length < BATCH) return;
    after = rows.at(-1)?.snapshotId;
  }
}

async function checkBlobs(
  store: StoreInspector,
  directory: string,
  { result, options }: { result: DataCheck; options: CheckOptions },
): Promise<void> {
  const { signal, isDeep, onBytes } = options;
  const [blobs, keeper] = [await openDiskBlobs({ directory }), openBlobKeeper({ directory })];
  const { bytes: total } = await store.health.totals();
  for (const layer of await store.health.lost()) {
    const problem = `lost (${layer.reason}), to be rebuilt${layer.lastError === undefined ? '' : `: ${layer.lastError}`}`;
    if (!layer.isBack) result.problems.push({ what: 'layer', name: layer.diffId, problem });
  }
  let read = 0;
  const onPiece = (bytes: number) => {
    read += bytes;
    onBytes?.(read, total);
  };
  for (let after: Digest | undefined; ; ) {
    const rows = await store.health.storedBlobs({ after, limit: BATCH });
    for (const blob of rows) {
      signal.throwIfAborted();
      result.blobs++;
      result.blobBytes += blob.blobBytes;
      const problem = isDeep
        ? await deepProblem(blob, { keeper, signal, onPiece })
        : sizeProblem(await blobs.size(blob.diffId), blob.blobBytes);
      if (problem === undefined) continue;
      // A blob that was removed, or lost and recorded, while we looked is none of ours.
      if (await store.health.storedBlob(blob.diffId))
        result.problems.push({ what: 'layer', name: blob.diffId, problem });
    }
    if (rows.length < BATCH) return;
    after = rows.at(-1)?.diffId;
  }
}

async function deepProblem(
  blob: StoredBlob,
  { keeper, ...options }: { keeper: BlobKeeper; signal: AbortSignal; onPiece: (bytes: number) => void },
): Promise<string | undefined> {
  try {
    const { state } = await checkBlob(blob, { keeper }, options);
    return state === 'right' ? undefined : state;
  } catch (error) {
    options.signal.throwIfAborted();
    return `${errorCode(error) ?? ''} ${describeError(error)}`.trim();
  }
}

function sizeProblem(found: number | undefined, expected: number): string | undefined {
  if (found === expected) return undefined;
  return found === undefined ? 'missing' : `${found} bytes instead of ${expected}`;
}
