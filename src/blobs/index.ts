export { type DiskBlobs, openDiskBlobs } from './disk-blobs.ts';
export type { BlobIngest, BlobStore } from './ports.ts';
