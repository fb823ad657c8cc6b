import type { CacheEventInput, RegistryOptions } from '../caches/index.ts';
import type { Digest } from '../lib/digest.ts';
import type { LossReason } from './schema.ts';

export type { LossReason } from './schema.ts';

/** A blob that has to be there, as its row has it. */
export type StoredBlob = {
  diffId: Digest;
  blobBytes: number;
  /** Absent where it was made before digests were kept, and nothing has read it since. */
  blobDigest?: Digest;
  /** When it was published, or last read and found right. */
  checkedAtMs: number;
};

/** A layer that snapshots use and whose blob is not there. */
export type LostLayer = {
  diffId: Digest;
  reason: LossReason;
  foundAtMs: number;
  /** How often rebuilding it failed, and why the last time. */
  attempts: number;
  lastError?: string;
  nextAttemptMs: number;
  /** It is there again: rebuilt here, or converted by a build that wanted it. */
  isBack: boolean;
};

/** Where a cache lies, and which of its snapshots is meant. */
export type SnapshotUser = { snapshotId: string; imageCacheId: string };
export type LayerUser = SnapshotUser & { registries: RegistryOptions; sizeGib: number };
export type SnapshotRow = SnapshotUser & {
  /** sha256 of the manifest, once there is a copy. */
  copyDigest?: Digest;
  layers: number;
};

/**
 * Keeps what is Ready right: which blobs were read when, which are lost, copies of the snapshot manifests. A lost layer's row
 * is `absent` and keeps its uses, so that nobody is given it, any build that wants it converts it, and only that.
 */
export type HealthStore = {
  /** Blobs that have to be there, by key. */
  storedBlobs(page: { after?: Digest | undefined; limit: number }): Promise<StoredBlob[]>;
  storedBlob(diffId: Digest): Promise<StoredBlob | undefined>;
  /** Those last checked before this time, the longest ago first. */
  dueBlobs(checkedBeforeMs: number, limit: number): Promise<StoredBlob[]>;
  /** How many there are, their bytes, and when the one not checked for the longest was. */
  totals(): Promise<{ blobs: number; bytes: number; oldestCheckMs: number | undefined }>;
  /** Records that a blob was read and is right; the first digest of a blob without one is kept. */
  recordCheck(diffId: Digest, check: { blobDigest: Digest; nowMs: number }): Promise<void>;

  /** Takes a layer whose blob was put aside out of service; false when it is not `ready`. */
  lose(diffId: Digest, loss: { reason: LossReason; nowMs: number }): Promise<boolean>;
  lost(): Promise<LostLayer[]>;
  /** Caches that show a snapshot which uses the layer, in the order of snapshots. */
  users(diffId: Digest): Promise<LayerUser[]>;
  postponeRebuild(diffId: Digest, failure: { error: string; nextAttemptMs: number }): Promise<void>;
  /** The layer is back, or nobody needs it any more. */
  forgetLoss(diffId: Digest): Promise<void>;
  /** Adds an event to caches, those that are gone left out. At most a hundred at a time. */
  addEvent(imageCacheIds: readonly string[], event: CacheEventInput, nowMs: number): Promise<void>;

  /** Snapshots that caches show, by id. */
  snapshots(page: { after?: string | undefined; limit: number }): Promise<SnapshotRow[]>;
  snapshot(snapshotId: string): Promise<SnapshotRow | undefined>;
  /** Those of them that came up since and have no copy, in no order. */
  snapshotsWithoutCopy(limit: number): Promise<SnapshotRow[]>;
  /** Takes some out of `snapshotsWithoutCopy`: there is nothing to copy. */
  leaveUncopied(snapshotIds: readonly string[]): Promise<void>;
  /** Keeps a copy of a manifest, in place of an earlier one; false when its snapshot is gone. */
  keepCopy(snapshotId: string, manifest: { text: string; digest: Digest }): Promise<boolean>;
  /** Throws `store.corrupt` when the copy does not have its digest. */
  copyOf(snapshotId: string): Promise<string | undefined>;

  /** Layers that no snapshot uses and nobody holds. */
  unreferenced(nowMs: number): Promise<Digest[]>;
  /** Those of the layers that have a row. */
  known(diffIds: readonly Digest[]): Promise<Set<Digest>>;
  /** Snapshots that lost their row since they were last forgotten, and have none now. */
  removedSnapshots(limit: number): Promise<string[]>;
  forgetRemoved(snapshotId: string): Promise<void>;

  /**
   * Gives back the leases of builds and layers: for the start of the one process that has this database, when all others are
   * dead. Those of owners whose name begins like `except` stay. Returns what was held.
   */
  releaseLeases(except: string): Promise<{ builds: string[]; layers: Digest[] }>;
};
