import type { Generated } from 'kysely';
import type { CacheStatus } from '../caches/index.ts';
import type { Digest } from '../lib/digest.ts';
import type { AccountSchema } from './account-schema.ts';

/**
 * The tables as Kysely sees them; migrations/ makes them. Times are ms since 1970, flags 0 or 1.
 * What is only ever read and written whole (images, tags, events, progress) is JSON text in its owner's row: a page of caches
 * is one query. Nothing asks the database to look inside, so that any SQL database will do.
 */
export type Schema = AccountSchema & {
  image_caches: ImageCacheRow;
  image_cache_counts: ImageCacheCountRow;
  /** The references of each cache, taken apart, to be found by. */
  image_cache_images: CacheScopeColumns & { leaf: string; repository: string; reference: string };
  /** The tags of each cache, to be found by and listed. */
  image_cache_tags: CacheScopeColumns & { key: string; value: string };
  /** Caches that are gone, for readers that keep an index of their own. */
  image_cache_removals: { account_id: string; region_id: string; revision: number; id: string };
  client_tokens: ClientTokenRow;
  builds: BuildRow;
  /** The snapshot that a cache has, and the one that its build is making. */
  snapshots: { id: string; image_cache_id: string };
  /** `checked_at_ms`: when the blob was last read and found right, 0 when never. */
  layers: LayerRow & { checked_at_ms: Generated<number> };
  /** Layers that a snapshot names or will name: nobody may remove them. */
  layer_uses: { snapshot_id: string; diff_id: Digest };
  lost_layers: LostLayerRow;
  /** Snapshot manifests once more, packed with zstd, and the sha256 digest of their text. */
  snapshot_copies: { snapshot_id: string; digest: Digest; manifest: Uint8Array };
  /** Written by a trigger: snapshots whose manifest has not been copied yet. */
  uncopied_snapshots: { snapshot_id: string };
  /** Written by a trigger: snapshots that lost their row and whose files may still be there. */
  removed_snapshots: { id: string };
};

export type ImageCacheRow = {
  id: string;
  account_id: string;
  region_id: string;
  name: string;
  status: CacheStatus;
  progress_percent: number;
  size_gib: number;
  retention_days: number | null;
  created_at_ms: number;
  expires_at_ms: number | null;
  last_matched_at_ms: number | null;
  container_group_id: string;
  snapshot_id: string | null;
  resource_group_id: string;
  elimination_strategy: '' | 'LRU';
  /** When it was last matched, or else created: the least recently used is eliminated first. */
  last_used_at_ms: number;
  /** JSON: RegistryOptions */
  registries: string;
  /** JSON: string[] */
  images: string;
  /** JSON: Tag[] */
  tags: string;
  /** JSON: CacheEvent[] */
  events: string;
  /** That of the region when the row was last changed. */
  revision: number;
  /** What CacheView made of it, so that a page of caches is read and not computed; of another version it is stale. */
  view_version: number;
  view: string;
};

export type ImageCacheCountRow = {
  account_id: string;
  region_id: string;
  /** How many caches an account has in a region: pages give the total, and counting 100,000 rows takes milliseconds. */
  caches: number;
  /** Grows with every change of a cache of the region. */
  revision: number;
  /** Removals up to this revision are forgotten. */
  removals_floor: number;
};

type CacheScopeColumns = { image_cache_id: string; account_id: string; region_id: string };

export type ClientTokenRow = {
  account_id: string;
  region_id: string;
  action: string;
  token: string;
  /** Of the parameters of the call. */
  fingerprint: string;
  /** Null while the first call runs. */
  result: string | null;
  owner: string;
  lease_until_ms: number;
  expires_at_ms: number;
};

/** Work to be done; the row goes when the build ends, and its credentials with it. */
export type BuildRow = {
  id: string;
  image_cache_id: string;
  queued_at_ms: number;
  /** How often it was claimed and not given back. */
  attempt: number;
  lease_owner: string | null;
  lease_until_ms: number | null;
  /** JSON: string[], the references to pull */
  images: string;
  /** JSON: RegistryOptions */
  options: string;
  /** JSON: RegistryCredential[], sealed */
  sealed_credentials: string;
  /** JSON: LayerProgress[] */
  layers: string;
};

/**
 * `absent`: nobody works on it; a blob may or may not lie there, of a worker that died or gave up.
 * `converting`, `removing`: the owner of the lease does. `ready`: the blob is there, whole.
 */
export type LayerState = 'absent' | 'converting' | 'ready' | 'removing';

export type LayerRow = {
  /** Key of the blob: the chainID instead where the blob depends on the layers below. */
  diff_id: Digest;
  state: LayerState;
  blob_bytes: number;
  /** Tree digest of the blob; null where it was made before digests were kept. */
  blob_digest: Digest | null;
  tar_bytes: number;
  content_bytes: number;
  /** When it came into its state. */
  changed_at_ms: number;
  lease_owner: string | null;
  lease_until_ms: number | null;
};

/** Why the blob of a layer that snapshots use is not there. */
export type LossReason = 'missing' | 'wrong-size' | 'wrong-digest' | 'unreadable';

/** A layer to be rebuilt; its own row is `absent` until somebody has done it. */
export type LostLayerRow = {
  diff_id: Digest;
  reason: LossReason;
  found_at_ms: number;
  /** How often rebuilding it failed. */
  attempts: number;
  next_attempt_ms: number;
  last_error: string | null;
};
