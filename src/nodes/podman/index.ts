export { type FollowOptions, followPodman } from './follow-podman.ts';
export { DEFAULT_GRAPH_ROOT, readStorageConfig, SYSTEM_CONFIG } from './graph-roots.ts';
export { removePodman } from './remove-podman.ts';
export { openStoreFolders, type StoreFolders } from './store-folders.ts';
export { withStoreLock } from './store-lock.ts';
export type { StoreProblem } from './store-model.ts';
export { type SyncOptions, type SyncResult, snapshotIds, syncPodman } from './sync-podman.ts';
