import { LarderError } from '../lib/errors.ts';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

/** What to ask a registry for. Without a match it may answer in schema 1, which {@link documentKind} names. */
export const MANIFEST_ACCEPT = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST].join(', ');

const SCHEMA1 = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
]);

const IMAGE_CONFIGS = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

export type Compression = 'gzip' | 'zstd' | 'none';

/** OCI image-spec media-types.md; Docker's image-manifest-v2-2.md; the zstd one as BuildKit and containerd write it. */
const LAYERS = new Map<string, Compression>([
  ['application/vnd.oci.image.layer.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip'],
]);

/** How the bytes of a layer are packed; throws `oci.media-type-unsupported`. */
export function layerCompression(mediaType: string): Compression {
  const compression = LAYERS.get(mediaType);
  if (compression !== undefined) return compression;
  const reason = mediaType.endsWith('+encrypted') ? 'an encrypted layer, and Larder has no keys' : 'not an image layer';
  throw unsupported(mediaType, reason);
}

export type DocumentKind = 'manifest' | 'index';

/** What a media type says the document is; undefined for a type that says nothing about it; throws for schema 1. */
export function documentKind(mediaType: string): DocumentKind | undefined {
  if (mediaType === OCI_INDEX || mediaType === DOCKER_LIST) return 'index';
  if (mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST) return 'manifest';
  if (SCHEMA1.has(mediaType)) throw schema1Unsupported();
  return undefined;
}

export function isImageConfig(mediaType: string): boolean {
  return IMAGE_CONFIGS.has(mediaType);
}

/** Docker retired schema 1 in 2019: it has no sizes and no diffIDs, so nothing in it can be checked. */
export function schema1Unsupported(): LarderError {
  return new LarderError(
    'oci.schema1-unsupported',
    'the image has a schema 1 manifest, which Larder does not read: push it again with a client of Docker 1.10 or later',
  );
}

export function unsupported(mediaType: string, reason: string): LarderError {
  const shown = mediaType.slice(0, 200);
  return new LarderError('oci.media-type-unsupported', `media type ${JSON.stringify(shown)}: ${reason}`, {
    facts: { mediaType: shown },
  });
}
