export { type CacheEvent, type CacheEventInput, type EventReason, recordEvent, recordEvents } from './events.ts';
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
export { type ImageFilter, type IndexedImage, imageFilter, indexedImages, matchesImage } from './image-filter.ts';
export * from './limits.ts';
export { createMatchIndex, type MatchIndex } from './matching/match-index.ts';
export { createTermReader } from './matching/match-terms.ts';
export {
  MAX_COUNTED_MATCHES,
  type MatchEntry,
  type MatchPosition,
  type MatchQuery,
  type MatchResult,
} from './matching/match-types.ts';
export { nameProblem, tagsProblem } from './names.ts';
export { parseSnapshot } from './parse-snapshot.ts';
export { type LayerBytes, pullPercent, READY_PERCENT } from './progress.ts';
export { expiry, failedExpiry, isExpired } from './retention.ts';
export { snapshotIdOf } from './snapshot-id.ts';
export { type CacheStatus, canMove, INITIAL_STATUS, statusAfterFailure, TRANSITIONS } from './status.ts';
export { type CacheUpdate, canUpdate, planUpdate, type UpdatePlan } from './update.ts';
