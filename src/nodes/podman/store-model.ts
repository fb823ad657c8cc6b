import type { Digest } from '../../lib/digest.ts';

/** One layer in its place in a chain, as containers/storage knows it. */
export type StoreLayer = {
  /** 64 hex digits, see {@link storageLayerIds}. */
  readonly id: string;
  /** Of the layer below. */
  readonly parent?: string | undefined;
  readonly diffId: Digest;
  /** As the registry holds it. */
  readonly digest: Digest;
  readonly mediaType: string;
  readonly compressedBytes: number;
  readonly tarBytes: number;
  readonly createdAt: string;
  /** Key of the layer blob, and the tree digest of its bytes. */
  readonly blob: Digest;
  readonly blobDigest?: Digest | undefined;
  /**
   * Which mount of the blob: 0, or counted on where the same blob stands below already in this chain. The kernel takes no
   * directory twice into one overlay.
   */
  readonly copy: number;
  /** The layer below whose root directory this one shows, where it is an image's uppermost and names none itself. */
  readonly rootFrom?: string | undefined;
};

export type StoreImage = {
  /** 64 hex digits of the config's digest. */
  readonly id: string;
  /** In full, `docker.io/library/nginx:1.27`; each name belongs to one image only. */
  readonly names: readonly string[];
  /** Documents verbatim; several where registries hold the same image in different compressions. The first is the newest. */
  readonly manifests: readonly { readonly digest: Digest; readonly document: string }[];
  readonly config: string;
  readonly configDigest: Digest;
  readonly createdAt: string;
  /** Bottom first. */
  readonly layers: readonly StoreLayer[];
};

/** What could not be served, and why; the rest of the store is not held up by it. */
export type StoreProblem = { readonly code: string; readonly message: string };
