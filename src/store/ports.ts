import type { BuildOptions, CacheEventInput, CacheStatus, ImageCache } from '../caches/index.ts';
import type { Digest } from '../lib/digest.ts';

/** Everything Larder remembers, and its queue. `test/contract/store.ts` is the contract of every adapter. */
export type Store = {
  accounts: AccountStore;
  nonces: NonceStore;
  caches: CacheStore;
  builds: BuildQueue;
  layers: LayerStore;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

export type AccessKey = {
  id: string;
  accountId: string;
  /** Sealed with the server's key; see accounts/. */
  sealedSecret: string;
  active: boolean;
};

export type AccountStore = {
  /** Creates the account with its first key, in one transaction. */
  createAccount(account: { id: string; name: string; createdAtMs: number }, key: AccessKey): Promise<void>;
  findAccessKey(id: string): Promise<AccessKey | undefined>;
  listAccessKeys(): Promise<AccessKey[]>;
  /** Adds a key to an account, or replaces the secret of one that is there. */
  putAccessKey(key: AccessKey): Promise<void>;
};

export type NonceStore = {
  /** True when the nonce is new; remembers it until `expiresAtMs`. */
  remember(accessKeyId: string, nonce: string, expiresAtMs: number, nowMs: number): Promise<boolean>;
};

export type CacheFilter = {
  accountId: string;
  regionId: string;
  id?: string;
  name?: string;
};

/** Newest first, then by id. `after` is the position of the last cache of the page before. */
export type CachePage = { limit: number; after?: { createdAtMs: number; id: string } };

export type CacheStore = {
  /** Cache row, its first events and its queued build, in one transaction. */
  create(cache: ImageCache, build: { id: string; options: BuildOptions }): Promise<void>;
  find(filter: CacheFilter, page: CachePage): Promise<{ caches: ImageCache[]; total: number }>;
  /** Removes the cache in any state with its build, events, progress and layer references; false when there is none. */
  delete(key: { accountId: string; regionId: string; id: string }): Promise<boolean>;
  /** Snapshot ids that some cache names, or that a build not yet ended will name (snapshotIdOf in caches/). */
  snapshotIds(): Promise<Set<string>>;
  /** Caches of all accounts whose time has passed, the longest expired first. */
  expired(nowMs: number, limit: number): Promise<ImageCache[]>;
  /** Deletes the cache like `delete` if it is still expired; false when it is not, or is gone. */
  deleteExpired(id: string, nowMs: number): Promise<boolean>;
};

export type ClaimedBuild = {
  id: string;
  cache: ImageCache;
  options: BuildOptions;
  /** How often it was claimed, this time included. */
  attempt: number;
};

/** Bytes of one layer of a build under way; `totalBytes` is the compressed size in the manifest. */
export type LayerProgress = {
  imageIndex: number;
  layerIndex: number;
  digest: Digest;
  downloadedBytes: number;
  totalBytes: number;
  state: 'waiting' | 'pulling' | 'done';
};

export type BuildUpdate = {
  /** Ignored where the state table doesn't allow it: a build taken over goes through its steps once more. */
  status?: CacheStatus;
  /** Within one status, progress never falls; a lower number is ignored. */
  progressPercent?: number;
  events?: readonly CacheEventInput[];
  /** All layers of the build; they replace what was there. */
  layers?: readonly LayerProgress[];
};

/** The database as the queue: a build is claimed with a lease, kept by heartbeats, and taken over when the lease lapses. */
export type BuildQueue = {
  /**
   * The oldest build that nobody holds (or whose lease lapsed); undefined when there is none. Each claim needs an owner of its
   * own: the name is what fences off an earlier run. A build whose credentials don't open any more ends as Failed here.
   */
  claim(owner: string, nowMs: number, leaseMs: number): Promise<ClaimedBuild | undefined>;
  /** False when the lease is lost: taken over, or the cache was deleted. Then the worker must stop. */
  renew(id: string, owner: string, untilMs: number): Promise<boolean>;
  /** Records progress, events and status changes that the state table allows; false when the lease is lost. */
  update(id: string, owner: string, update: BuildUpdate, nowMs: number): Promise<boolean>;
  /**
   * Ends the build, in one transaction: status, progress, snapshot, events, layer references; wipes credentials and progress.
   * `Ready` needs every layer to be recorded (LayerStore.publish) and throws `store.layer-missing` otherwise. A failed update of a Ready cache leaves
   * `UpdateFailed` and the old content. Throws `store.bad-transition` where the state table doesn't allow the result.
   */
  finish(id: string, owner: string, result: BuildResult, nowMs: number): Promise<boolean>;
  /** Gives the lease back so that another worker, or the next start, goes on at once; the attempt does not count. */
  release(id: string, owner: string): Promise<void>;
  progress(imageCacheId: string): Promise<LayerProgress[]>;
};

export type BuildResult =
  | { status: 'Ready'; snapshotId: string; layers: readonly Digest[]; events: readonly CacheEventInput[] }
  | { status: 'Failed'; expiresAtMs: number; events: readonly CacheEventInput[] };

/** A layer blob that is there. `diffId` is its key: the chainID instead where the blob depends on the layers below. */
export type LayerRecord = {
  diffId: Digest;
  blobBytes: number;
  tarBytes: number;
  /** Logical size of the regular files, for the size limit of a cache. */
  contentBytes: number;
};

/**
 * Layers of the whole installation: who converts one now (single flight), which are there, and which snapshots use them.
 * A use is recorded in the same transaction that says a layer is there, so that the collector can't take it away from a
 * build under way; uses go with `finish(Failed)` and with the cache.
 */
export type LayerStore = {
  /**
   * The layer if it is there, now used by this snapshot; undefined when it is not (or is being removed). Throws `lease.lost`
   * when no cache or build has this snapshot any more.
   */
  use(diffId: Digest, snapshotId: string): Promise<LayerRecord | undefined>;
  /**
   * `ready`: it is there, now used by this snapshot. `claimed`: convert it, you hold the lease. `busy`: another worker
   * converts or removes it; ask again. A lease that lapsed is taken over.
   */
  claim(
    diffId: Digest,
    claim: { owner: string; snapshotId: string; nowMs: number; leaseMs: number },
  ): Promise<{ state: 'ready'; layer: LayerRecord } | { state: 'claimed' } | { state: 'busy' }>;
  renew(diffId: Digest, owner: string, untilMs: number): Promise<boolean>;
  /** Records a layer whose blob is visible, used by this snapshot; false when the lease is lost. */
  publish(layer: LayerRecord, claim: { owner: string; snapshotId: string; nowMs: number }): Promise<boolean>;
  /** Ends a claim without a layer. Should a blob be there already, garbage collection finds it by `listUnreferenced`. */
  release(diffId: Digest, owner: string): Promise<void>;
  /** Layers that no snapshot uses, also those whose conversion was given up; `claimForRemoval` refuses those that somebody holds. */
  listUnreferenced(): Promise<Digest[]>;
  /** Claims an unreferenced layer for its removal: from now on `use` does not find it and `claim` says `busy`. */
  claimForRemoval(diffId: Digest, claim: { owner: string; nowMs: number; leaseMs: number }): Promise<boolean>;
  /** Forgets a layer claimed for removal once its blob is gone. */
  forget(diffId: Digest, owner: string): Promise<void>;
};
