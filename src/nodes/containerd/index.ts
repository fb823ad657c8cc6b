export { type RunningSnapshotter, type ServeSnapshotterOptions, serveSnapshotter } from './serve-snapshotter.ts';
