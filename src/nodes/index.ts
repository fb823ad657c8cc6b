export { type AttachOptions, attachImage } from './attach-image.ts';
export type { Attachment } from './attachments.ts';
export { type DetachOptions, detachImage } from './detach-image.ts';
export { MAX_OVERLAY_LAYERS, type MountPlan, planMount } from './mount-plan.ts';
export { findImage, isSnapshotId, readSnapshot } from './read-snapshot.ts';
