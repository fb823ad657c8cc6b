export { chainIds } from './chain-id.ts';
export { type ImageConfig, MAX_CONFIG_BYTES, parseConfig } from './config.ts';
export { type Descriptor, limitExceeded } from './document.ts';
export {
  type ImageIndex,
  type ImageManifest,
  type IndexEntry,
  MAX_INDEX_ENTRIES,
  MAX_LAYERS,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from './manifest.ts';
export { type Compression, type DocumentKind, layerCompression, MANIFEST_ACCEPT } from './media-types.ts';
export { choosePlatform, formatPlatform, hostPlatform, type Platform, platformUnavailable, suits } from './platform.ts';
export { DOCKER_HUB, formatReference, type ImageReference, MAX_REFERENCE_LENGTH, parseReference } from './reference.ts';
