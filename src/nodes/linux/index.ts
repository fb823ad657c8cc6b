export { type Libc, loadLibc } from '../../lib/libc.ts';
export { SystemCallError } from '../../lib/system-call-error.ts';
export { canReadDirectly } from './direct-io.ts';
export { explainFailure } from './explain-failure.ts';
export { type Backing, mountErofs } from './mount-erofs.ts';
export {
  MAX_OPTIONS_BYTES,
  mountOverlay,
  OVERLAY_OPTIONS,
  type OverlayCalls,
  type OverlayMount,
} from './mount-overlay.ts';
export { openInRoot } from './open-in-root.ts';
export { setMtime } from './set-mtime.ts';
export { tryLock } from './try-lock.ts';
export { tryUnmount, unmount } from './unmount.ts';
