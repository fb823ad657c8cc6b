export { keepPreloaded, type PreloadOptions } from './preload.ts';
export { type RunningSnapshotter, type ServeSnapshotterOptions, serveSnapshotter } from './serve-snapshotter.ts';
