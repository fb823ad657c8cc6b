import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Digest, digestOfHex } from '../../src/lib/digest.ts';

export function sha256(bytes: Uint8Array): Digest {
  return digestOfHex(createHash('sha256').update(bytes).digest('hex'));
}

export type TestDescriptor = {
  mediaType: string;
  digest: Digest;
  size: number;
  platform?: { os: string; architecture: string; variant?: string };
};

export type TestImage = {
  manifest: Uint8Array;
  manifestMediaType: string;
  manifestDigest: Digest;
  /** The manifest as an index lists it. */
  descriptor: TestDescriptor;
  config: Uint8Array;
  configDigest: Digest;
  /** Bottom first; `tar` as given, `bytes` as a registry holds them. */
  layers: { descriptor: TestDescriptor; diffId: Digest; tar: Uint8Array; bytes: Uint8Array }[];
};

export type TestImageOptions = {
  /** Uncompressed tars, bottom layer first. */
  layers: readonly Uint8Array[];
  compression?: 'gzip' | 'zstd' | 'none';
  /** Docker's media types instead of OCI's; they have no zstd. */
  docker?: boolean;
  /** Merged over the image config; `config` in it is what the container runs. */
  config?: object;
  platform?: { os: string; architecture: string; variant?: string };
};

/** Manifest, config and packed layers of an image, ready for {@link ScriptedRegistry.putImage} or an OCI layout. */
export function buildImage(options: TestImageOptions): TestImage {
  const { compression = 'gzip', docker = false, platform = { os: 'linux', architecture: 'amd64' } } = options;
  const layers = options.layers.map((tar) => {
    const bytes = pack(tar, compression);
    const mediaType = layerMediaType(compression, docker);
    return {
      descriptor: { mediaType, digest: sha256(bytes), size: bytes.byteLength },
      diffId: sha256(tar),
      tar,
      bytes,
    };
  });
  const config = toJson({
    ...platform,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    ...options.config,
  });
  const manifestMediaType = docker
    ? 'application/vnd.docker.distribution.manifest.v2+json'
    : 'application/vnd.oci.image.manifest.v1+json';
  const manifest = toJson({
    schemaVersion: 2,
    mediaType: manifestMediaType,
    config: {
      mediaType: docker ? 'application/vnd.docker.container.image.v1+json' : 'application/vnd.oci.image.config.v1+json',
      digest: sha256(config),
      size: config.byteLength,
    },
    layers: layers.map(({ descriptor }) => descriptor),
  });
  const manifestDigest = sha256(manifest);
  return {
    manifest,
    manifestMediaType,
    manifestDigest,
    descriptor: { mediaType: manifestMediaType, digest: manifestDigest, size: manifest.byteLength, platform },
    config,
    configDigest: sha256(config),
    layers,
  };
}

export const INDEX_MEDIA_TYPE = 'application/vnd.oci.image.index.v1+json';

/** An OCI index of the entries. */
export function buildIndex(entries: readonly object[]): Uint8Array {
  return toJson({ schemaVersion: 2, mediaType: INDEX_MEDIA_TYPE, manifests: entries });
}

export function toJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function pack(tar: Uint8Array, compression: 'gzip' | 'zstd' | 'none'): Uint8Array {
  if (compression === 'none') return tar;
  return compression === 'gzip' ? gzipSync(tar) : zstdCompressSync(tar);
}

function layerMediaType(compression: 'gzip' | 'zstd' | 'none', docker: boolean): string {
  const suffix = compression === 'none' ? '' : compression;
  if (docker) return ['application/vnd.docker.image.rootfs.diff.tar', suffix].filter(Boolean).join('.');
  return ['application/vnd.oci.image.layer.v1.tar', suffix].filter(Boolean).join('+');
}
