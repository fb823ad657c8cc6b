import type { BlobKeeper, BlobStore } from '../blobs/ports.ts';
import type { BuildOptions } from '../caches/index.ts';
import type { Decompressor, LayerLimits } from '../layers/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Hashing } from '../lib/hashing.ts';
import type { Limit } from '../lib/limit.ts';
import type { Logger } from '../lib/logger.ts';
import type { Platform } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/ports.ts';

/** What a build works with; made once by the composition root. */
export type BuildServices = {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** A client for one build: its credentials and its lists of plain-http and insecure registries. */
  readonly connect: (options: BuildOptions) => RegistryClient;
  readonly platform: Platform;
  /** For a layer of so many compressed bytes. */
  readonly decompressorFor: (compressedBytes: number) => Decompressor;
  readonly hashing: Hashing;
  readonly layerLimits: LayerLimits;
  /** At most N layers are downloaded and converted at once in this process. */
  readonly layerSlots: Limit;
  /** Of these, at most N whose trees take much memory (layers/layer-builder.ts). */
  readonly largeLayers: Limit;
  /** Blobs that this machine has mounted, by the hex digits of their keys: the collector leaves them alone. */
  readonly attachedBlobs?: (() => Promise<ReadonlySet<string>>) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
};

/** What keeping content right works with, beside. */
export type CareServices = BuildServices & {
  readonly keeper: BlobKeeper;
  /**
   * Takes away the mount of a layer that attachments of this machine share, so that no later one gets to see what was put
   * aside; those there are keep it until they end.
   */
  readonly detachLayer?: ((hex: string) => Promise<void>) | undefined;
};

/** A build or layer whose worker died is taken over after this long. */
export const LEASE_MS = 30_000;
/** How often a build asks whether another one has finished the layer they share. */
export const BUSY_POLL_MS = 200;
/** Bytes and events reach the database this often while layers are pulled: at least once a second, as bars need. */
export const PROGRESS_INTERVAL_MS = 400;
/** A build that took its worker down this often is not tried again. */
export const MAX_BUILD_ATTEMPTS = 5;
/** Manifests of one cache that are resolved side by side. */
export const RESOLVES_AT_ONCE = 4;
