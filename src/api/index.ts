export type { AcrInstance, AcrInstances } from './acr-registries.ts';
export { IMAGE_CACHE_VIEW, imageCacheView } from './image-cache-view.ts';
export { createMatchCatalog, type MatchCatalog } from './match-catalog.ts';
export { createMatchRecorder, type MatchRecorder } from './record-matches.ts';
export type { ApiServices, MatchCounts } from './services.ts';
export { createActions } from './table.ts';
