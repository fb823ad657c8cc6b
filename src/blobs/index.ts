export { type DiskBlobs, openDiskBlobs } from './disk-blobs.ts';
export type { BlobIngest, BlobStore } from './ports.ts';
export { digestOfFile, isMarkedVerified, markVerified, verifyFile } from './verified-file.ts';
