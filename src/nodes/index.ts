export { type AttachOptions, attachImage } from './attach-image.ts';
export type { Attachment } from './attachments.ts';
export { checkLayerFile, type LayerFile } from './check-layer-file.ts';
export { type DetachOptions, detachImage } from './detach-image.ts';
export { type HoldOptions, holdBlob } from './hold-blob.ts';
export { layerFileOf } from './layer-file.ts';
export { isMountPoint, type LayerMountOptions, mountLayers, unmountLayers } from './layer-mounts.ts';
export {
  type Backing,
  explainFailure,
  type Libc,
  loadLibc,
  MAX_OPTIONS_BYTES,
  OVERLAY_OPTIONS,
  tryLock,
  unmount,
} from './linux/index.ts';
export { closeMountFolder, openMountFolder } from './mount-folder.ts';
export type { MountEntry } from './mount-info.ts';
export { withMountLock } from './mount-lock.ts';
export { type LayerMount, MAX_OVERLAY_LAYERS, type MountPlan, planMount } from './mount-plan.ts';
export { mountTable } from './mount-table.ts';
export { findImage, isSnapshotId, readSnapshot } from './read-snapshot.ts';
export { copyAttributes, namesRoot } from './root-directory.ts';
export { type BundleOptions, writeBundle } from './write-bundle.ts';
