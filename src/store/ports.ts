import type { BuildOptions, CacheEventInput, CacheStatus, ImageCache, Tag } from '../caches/index.ts';
import type { Digest } from '../lib/digest.ts';
import type { AccountStore, RamStore } from './account-ports.ts';
import type { HealthStore } from './health-ports.ts';

export type * from './account-ports.ts';
export type * from './health-ports.ts';

/** Everything Larder remembers, and its queue. `test/contract/store.ts` is the contract of every adapter. */
export type Store = {
  accounts: AccountStore;
  ram: RamStore;
  nonces: NonceStore;
  tokens: ClientTokenStore;
  caches: CacheStore;
  builds: BuildQueue;
  layers: LayerStore;
  health: HealthStore;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

export type NonceStore = {
  /** True when the nonce is new; remembers it until `expiresAtMs`, or up to a minute longer. */
  remember(accessKeyId: string, nonce: string, expiresAtMs: number, nowMs: number): Promise<boolean>;
};

/** Accounts and regions never see each other's caches. */
export type CacheScope = { accountId: string; regionId: string };
export type CacheKey = CacheScope & { id: string };
export type CacheMatch = CacheKey & { matchedAtMs: number };

/** All that is given must hold. `image`: see `imageFilter` in caches/. */
export type CacheFilter = CacheScope & {
  id?: string;
  ids?: readonly string[];
  name?: string;
  snapshotId?: string;
  resourceGroupId?: string;
  image?: string;
  tags?: readonly TagFilter[];
};
/** Without a value, any value will do. */
export type TagFilter = { key: string; value?: string };

/** Newest first, then by id. `after` is the position of the last cache of the page before. */
export type CachePage = { limit: number; after?: { createdAtMs: number; id: string } };

/** A page as a JSON array of what the CacheView made of each cache; `next` is its last cache when others follow. */
/** `json` is a list of views; a long one is UTF-8, ready to be sent. */
export type CacheList = { readonly json: string | Buffer; readonly total: number; readonly next?: CachePage['after'] };

/** What is kept beside every cache so that lists needn't compute it; a text of another version is rendered anew when read. */
export type CacheView = {
  version: number;
  /** All but when the cache was last matched, which changes all the time and alone. */
  render(cache: ImageCache): string;
  /** The kept text, with that time. */
  complete(view: string, lastMatchedAtMs: number): string;
};

export type QueuedBuild = {
  id: string;
  options: BuildOptions;
  /** The references to pull; those of the cache when absent. */
  images?: readonly string[];
};

/** A cache as it is to be, and the build that it needs. */
export type CacheChange = { cache: ImageCache; build?: QueuedBuild };

/**
 * How the transaction of a change ends: the result of a ClientToken goes with it, and what `beforeCommit` throws rolls it
 * back, so that a dry run goes through every check.
 */
export type Completion = { token?: HeldToken; beforeCommit?: () => void };

export type CacheStore = {
  /**
   * Cache row, its first events and its queued build, in one transaction. Where the region would then hold more than
   * `maxCaches`, the least recently used caches with the strategy LRU are eliminated; throws `store.quota-exceeded` when
   * there are too few.
   */
  create(
    cache: ImageCache,
    build: QueuedBuild,
    conditions?: Completion & { maxCaches?: number },
  ): Promise<{ eliminated: string[] }>;
  find(filter: CacheFilter, page: CachePage): Promise<{ caches: ImageCache[]; total: number }>;
  /** Like `find`, as text. */
  list(filter: CacheFilter, page: CachePage): Promise<CacheList>;
  /** The list of what its CacheView made of the caches, in the order of the ids; those that are gone are left out. */
  views(scope: CacheScope, ids: readonly string[]): Promise<CacheList['json']>;
  /** All that a filter lets through. */
  ids(filter: CacheFilter): Promise<Set<string>>;
  /**
   * Changes caches by a pure rule, all or none, in one transaction; undefined leaves a cache as it is, and what the rule
   * throws is thrown. Throws `store.not-found` (facts: id).
   */
  change(
    scope: CacheScope,
    ids: readonly string[],
    decide: (cache: ImageCache) => CacheChange | undefined,
    options: Completion & { nowMs: number },
  ): Promise<void>;
  /** Records that caches were matched, in one transaction; may be forgotten in a power cut. The feed of changes does not tell it. */
  touch(matches: readonly CacheMatch[]): Promise<void>;
  /** Removes the cache in any state with its build, events, progress and layer references; false when there is none. */
  delete(key: CacheKey, completion?: Completion): Promise<boolean>;
  /** Tags of the caches that a filter lets through, by id of the cache, then by key. `after` is the last one before. */
  tags(filter: TagListFilter, page: { limit: number; after?: { id: string; key: string } }): Promise<TagOfCache[]>;
  /** Snapshot ids that some cache names, or that a build not yet ended will name (snapshotIdOf in caches/). */
  snapshotIds(): Promise<Set<string>>;
  /** Caches of all accounts whose time has passed, the longest expired first. */
  expired(nowMs: number, limit: number): Promise<ImageCache[]>;
  /** When the first of all caches expires; undefined when none does. */
  nextExpiryMs(): Promise<number | undefined>;
  /** Deletes the cache like `delete` if it is still expired; false when it is not, or is gone. */
  deleteExpired(id: string, nowMs: number): Promise<boolean>;
  /** Where there are caches, of all accounts. */
  scopes(): Promise<CacheScope[]>;
  /** The regions in which an account has caches. */
  regions(accountId: string): Promise<string[]>;
  count(scope: CacheScope): Promise<number>;
  /** How many there are of each status, over all accounts; those of which there are none may be left out. */
  countByStatus(): Promise<ReadonlyMap<CacheStatus, number>>;
  feed: CacheFeed;
};

export type TagListFilter = CacheScope & { ids?: readonly string[]; tags?: readonly TagFilter[] };
export type TagOfCache = { id: string; tag: Tag };

/** What changed in a region, for readers that keep an index of their own. */
export type CacheFeed = {
  /** Grows with every change of a cache of the region; 0 when there never was one. */
  revision(accountId: string, regionId: string): Promise<number>;
  /**
   * What changed after revision `after`, at most `limit` caches, in the order of revisions; complete up to `revision`.
   * `began` is the region's revision when the reader began from nothing, with `after` 0: earlier removals don't concern
   * it. `reset`: the reader is too far behind and must begin again.
   */
  changes(
    scope: CacheScope,
    position: { after: number; began: number; limit: number },
  ): Promise<{
    entries: FeedEntry[];
    removed: { id: string; revision: number }[];
    revision: number;
    reset: boolean;
  }>;
};

export type FeedEntry = Pick<ImageCache, 'id' | 'status' | 'images' | 'sizeGib' | 'createdAtMs'> & { revision: number };

export type TokenKey = { accountId: string; regionId: string; action: string; token: string };
/** A claimed token with the result that its call is about to have. */
export type HeldToken = { key: TokenKey; owner: string; result: string };

/** ClientToken: the same call made again gets the result of the first. */
export type ClientTokenStore = {
  /**
   * `claimed`: make the call, then complete the token in the transaction of its change (or release it). `done`: answer the
   * result. `running`: the first call has not ended and its lease has not lapsed. `mismatch`: it had other parameters.
   */
  claim(
    key: TokenKey,
    call: { fingerprint: string; owner: string; nowMs: number; leaseMs: number; ttlMs: number },
  ): Promise<{ state: 'claimed' } | { state: 'running' } | { state: 'mismatch' } | { state: 'done'; result: string }>;
  /** Forgets a token whose call failed. */
  release(key: TokenKey, owner: string): Promise<void>;
};

export type ClaimedBuild = {
  id: string;
  cache: ImageCache;
  /** The references to pull; while a cache is updated, it still shows those that it holds. */
  images: readonly string[];
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
  /** The references that are pulled for a cache, and the bytes of their layers; empty when nothing is under way. */
  progress(imageCacheId: string): Promise<{ images: readonly string[]; layers: LayerProgress[] }>;
};

export type BuildResult =
  | { status: 'Ready'; snapshotId: string; layers: readonly Digest[]; events: readonly CacheEventInput[] }
  | { status: 'Failed'; expiresAtMs: number; events: readonly CacheEventInput[] };

/** A layer blob that is there. `diffId` is its key: the chainID instead where the blob depends on the layers below. */
export type LayerRecord = {
  diffId: Digest;
  blobBytes: number;
  /** Tree digest of the blob (lib/piece-digest.ts); none where it was made before digests were kept. */
  blobDigest?: Digest;
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
