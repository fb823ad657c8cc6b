export { imageCacheView } from './image-cache-view.ts';
export type { ApiServices } from './services.ts';
export { createActions } from './table.ts';
