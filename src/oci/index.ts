export { chainIds } from './chain-id.ts';
export { type ImageConfig, parseConfig } from './config.ts';
export { type Descriptor, limitExceeded } from './document.ts';
export { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './limits.ts';
export {
  type ImageIndex,
  type ImageManifest,
  type IndexEntry,
  parseManifest,
} from './manifest.ts';
export { type Compression, type DocumentKind, layerCompression, MANIFEST_ACCEPT } from './media-types.ts';
export { choosePlatform, formatPlatform, hostPlatform, type Platform, platformUnavailable, suits } from './platform.ts';
export { DOCKER_HUB, formatReference, type ImageReference, MAX_REFERENCE_LENGTH, parseReference } from './reference.ts';
