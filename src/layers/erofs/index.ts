export { BLOCK_BYTES, IMPLICIT_ROOT, NAME_MAX_BYTES } from './format.ts';
export type {
  ByteString,
  ChunkMap,
  Directory,
  Inode,
  InodeAttributes,
  RegularFile,
  SpecialFile,
  Symlink,
  Xattr,
} from './inode.ts';
export { NO_XATTRS, newDirectory, newFile, newSpecialFile, newSymlink } from './inode.ts';
export type { ErofsFile, ErofsReader, ReadAt } from './reader.ts';
export { HEAD_BYTES, openErofs, volumeNameOf } from './reader.ts';
export type { ErofsSummary, Section } from './writer.ts';
export { writeErofs } from './writer.ts';
export { splitXattrName, xattrAreaBytes } from './xattr-area.ts';
