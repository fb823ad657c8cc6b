export { type CacheEvent, type CacheEventInput, type EventReason, recordEvent, recordEvents } from './events.ts';
export { type ImageFilter, type IndexedImage, imageFilter, indexedImages, matchesImage } from './image-filter.ts';
export type {
  BuildOptions,
  ImageCache,
  RegistryCredential,
  RegistryOptions,
  Snapshot,
  SnapshotImage,
  SnapshotLayer,
  Tag,
} from './image-cache.ts';
export * from './limits.ts';
export { nameProblem, tagsProblem } from './names.ts';
export { type LayerBytes, pullPercent, READY_PERCENT } from './progress.ts';
export { expiry, failedExpiry, isExpired } from './retention.ts';
export { snapshotIdOf } from './snapshot-id.ts';
export { type CacheStatus, canMove, INITIAL_STATUS, statusAfterFailure, TRANSITIONS } from './status.ts';
