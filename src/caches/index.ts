export { type CacheEvent, type CacheEventInput, type EventReason, recordEvent, recordEvents } from './events.ts';
export type {
  BuildOptions,
  ImageCache,
  RegistryCredential,
  Snapshot,
  SnapshotImage,
  SnapshotLayer,
  Tag,
} from './image-cache.ts';
export * from './limits.ts';
export { nameProblem, tagsProblem } from './names.ts';
export { progressPercent, READY_PERCENT, type Work } from './progress.ts';
export { expiresAt, failedExpiresAt, isExpired } from './retention.ts';
export { type CacheStatus, canMove, INITIAL_STATUS, statusAfterFailure, TRANSITIONS } from './status.ts';
