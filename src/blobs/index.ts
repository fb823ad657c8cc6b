export { openBlobKeeper } from './blob-keeper.ts';
export { type DirectFile, openDirect } from './direct-read.ts';
export { createDirectWriter, type DirectWriter, directAllocator, directMemory } from './direct-write.ts';
export { type DiskBlobs, openDiskBlobs } from './disk-blobs.ts';
export { onDisk } from './disk-errors.ts';
export { makeFolder, removeDurably, SYNC_EVERY_BYTES, syncName } from './durable-file.ts';
export { createLayout, diffIdOfFile, snapshotIdOfFile } from './layout.ts';
export type { BlobIngest, BlobKeeper, BlobStore } from './ports.ts';
export { digestOfFile, isMarkedVerified, markVerified, VERIFIED_TIME_S, verifyFile } from './verified-file.ts';
