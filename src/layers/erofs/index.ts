export type { InodeId } from './file-tree.ts';
export { FileTree } from './file-tree.ts';
export {
  BLOCK_BYTES,
  IMPLICIT_ROOT,
  INODE_BYTES,
  NAME_MAX_BYTES,
  SLOT_BYTES,
  XATTR_MAX_VALUE_BYTES,
} from './format.ts';
export type {
  ByteString,
  ChunkMap,
  FileData,
  Inode,
  InodeAttributes,
  Xattr,
} from './inode.ts';
export { NO_XATTRS } from './inode.ts';
export type { PackedArea } from './packed-area.ts';
export type { ErofsFile, ErofsReader, ReadAt } from './reader.ts';
export { HEAD_BYTES, openErofs, volumeNameOf } from './reader.ts';
export { SlotAllocator } from './slot-allocator.ts';
export type { ErofsSummary } from './writer.ts';
export { writeErofs } from './writer.ts';
export { splitXattrName, xattrAreaBytes } from './xattr-area.ts';
