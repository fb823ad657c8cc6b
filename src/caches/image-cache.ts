import type { Digest } from '../lib/digest.ts';
import type { CacheEvent } from './events.ts';
import type { CacheStatus } from './status.ts';

export type Tag = { readonly key: string; readonly value: string };

/** An image cache as the API shows it (image-cache API 2018-08-08, DescribeImageCaches); times in ms since 1970, sizes in GiB. */
export type ImageCache = {
  readonly id: string;
  readonly accountId: string;
  readonly regionId: string;
  readonly name: string;
  /** The references exactly as the caller gave them, in their order. */
  readonly images: readonly string[];
  readonly status: CacheStatus;
  /** 0–100, a whole number. */
  readonly progressPercent: number;
  readonly sizeGib: number;
  readonly retentionDays?: number;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
  readonly lastMatchedAtMs?: number;
  /** The build, `eci-…`. */
  readonly containerGroupId: string;
  /** Set once the cache was Ready, `s-…`. */
  readonly snapshotId?: string;
  readonly resourceGroupId: string;
  readonly eliminationStrategy: '' | 'LRU';
  /** How the registries of the images are spoken to, for an update that pulls them again. */
  readonly registries: RegistryOptions;
  readonly tags: readonly Tag[];
  /** The newest 50, oldest first. */
  readonly events: readonly CacheEvent[];
};

/** Registries by `host` or `host:port`: spoken to over http, or over TLS without verifying the certificate. */
export type RegistryOptions = {
  readonly plainHttpRegistries: readonly string[];
  readonly insecureRegistries: readonly string[];
};

/** How a build reaches its registries; the credentials are kept sealed by the store and wiped when the build ends. */
export type BuildOptions = RegistryOptions & { readonly credentials: readonly RegistryCredential[] };

/** `server` is `host` or `host:port`, without a scheme. */
export type RegistryCredential = { readonly server: string; readonly username: string; readonly password: string };

/** What a cache holds: an immutable manifest, published before the cache turns Ready. */
export type Snapshot = {
  readonly id: string;
  readonly imageCacheId: string;
  readonly createdAt: string;
  readonly images: readonly SnapshotImage[];
};

export type SnapshotImage = {
  /** As the caller gave it. */
  readonly reference: string;
  /** Digest of the platform's manifest. */
  readonly manifestDigest: Digest;
  /** The manifest document, verbatim, and its media type; snapshots made before manifests were kept have neither. */
  readonly manifest?: string | undefined;
  readonly manifestMediaType?: string | undefined;
  readonly platform: string;
  readonly configDigest: Digest;
  /** The image config document (image-spec config.md), verbatim. */
  readonly config: string;
  /** Bottom layer first. */
  readonly layers: readonly SnapshotLayer[];
};

export type SnapshotLayer = {
  readonly diffId: Digest;
  /** Key of the layer blob: the diffID, or the chainID where the blob depends on the layers below. */
  readonly blob: Digest;
  /** Tree digest of the EROFS file (lib/piece-digest.ts); snapshots made before digests were kept have none. */
  readonly blobDigest?: Digest | undefined;
  /** Digest and size of the layer as the registry holds it. */
  readonly digest: Digest;
  readonly mediaType: string;
  readonly compressedBytes: number;
  /** Size of the uncompressed tar and of the EROFS file. */
  readonly tarBytes: number;
  readonly blobBytes: number;
};
