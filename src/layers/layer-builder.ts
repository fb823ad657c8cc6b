import { LarderError } from '../lib/errors.ts';
import type { BlobWriter } from './blob-writer.ts';
import { BLOCK_BYTES, type ByteString, type FileData, type Inode, type InodeAttributes } from './erofs/index.ts';
import type { FileDataWriter } from './file-data.ts';
import { cleanPath, invalid, type LayerTree } from './layer-tree.ts';
import { enforce, type LayerLimits } from './limits.ts';
import { layOutSparse, SparseFileWriter } from './sparse-file.ts';
import type { TarEntry } from './tar-entry.ts';
import type { TarHandler } from './tar-reader.ts';
import { applyXattrs } from './xattrs.ts';

/** image-spec layer.md, "Whiteouts"; names with the doubled prefix other than the opaque marker are AUFS's own files. */
const WHITEOUT = '.wh.';
const AUFS = '.wh..wh.';
const OPAQUE_MARKER = '.wh..wh..opq';

/** (uid_t) −1 stands for "no change" in chown(2): the one 32-bit id that no file can have. */
const MAX_ID = 0xffff_fffe;
/** The kernel's dev_t: 12 bits of major, 20 of minor. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

/** Memory of a tree from which on it counts as large; the layers of nearly all images are below, together with the next's. */
const LARGE_BYTES = 16 << 20;
/** An inode and its name, measured; a directory takes twice as much. */
const ENTRY_BYTES = 150;

/** Turns tar entries into the layer's tree, and writes files' data as it comes. */
export class LayerBuilder implements TarHandler {
  readonly #tree: LayerTree;
  readonly #writer: BlobWriter;
  readonly #files: FileDataWriter;
  readonly #limits: LayerLimits;
  #entries = 0;
  #metadataBytes = 0;
  #sparseOverheadBytes = 0;
  /** Where the present entry's data goes; undefined when it is of no use. */
  #target: { append(bytes: Buffer): void } | undefined;

  constructor(options: { tree: LayerTree; writer: BlobWriter; files: FileDataWriter; limits: LayerLimits }) {
    const { tree, writer, files, limits } = options;
    this.#tree = tree;
    this.#writer = writer;
    this.#files = files;
    this.#limits = limits;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Whether the tree takes much memory. */
  get isLarge(): boolean {
    return this.#tree.inodes * ENTRY_BYTES + this.#metadataBytes > LARGE_BYTES;
  }

  entry(entry: TarEntry): void {
    this.#target = undefined;
    this.#count(entry);
    const path = cleanPath(entry.path);
    const reserved = path.findIndex((name) => name.startsWith(WHITEOUT));
    if (reserved < 0) this.#add(entry, path);
    else this.#addReserved(path, reserved);
  }

  data(bytes: Buffer): void {
    this.#target?.append(bytes);
  }

  #addReserved(path: readonly ByteString[], reserved: number): void {
    const name = path[reserved] ?? '';
    const isLast = reserved === path.length - 1;
    if (isLast && name === OPAQUE_MARKER) {
      this.#tree.makeOpaque(path.slice(0, -1));
      return;
    }
    if (name.startsWith(AUFS)) return;
    const hidden = name.slice(WHITEOUT.length);
    if (!isLast || hidden === '' || hidden === '.' || hidden === '..')
      throw invalid('an invalid whiteout', path.join('/'));
    this.#tree.whiteOut([...path.slice(0, -1), hidden]);
  }

  #add(entry: TarEntry, path: readonly ByteString[]): void {
    if (entry.kind === 'link') {
      this.#tree.link(path, cleanPath(entry.linkPath));
    } else if (entry.kind === 'character' && entry.devMajor === 0 && entry.devMinor === 0) {
      this.#tree.placeWhiteoutDevice(path);
    } else {
      this.#tree.place(path, this.#newInode(entry, entry.kind));
    }
  }

  #newInode(entry: TarEntry, kind: Exclude<TarEntry['kind'], 'link'>): Inode {
    const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, devMajor: major, devMinor: minor } = entry;
    if (uid < 0 || uid > MAX_ID || gid < 0 || gid > MAX_ID) throw invalid('an owner that no file can have', entry.path);
    const attributes = applyXattrs({ mode, uid, gid, mtimeSec, mtimeNsec, xattrs }, kind);
    switch (kind) {
      case 'file':
        return { ...attributes, kind, size: entry.size, data: this.#layOutFile(entry, attributes) };
      case 'directory':
        return { ...attributes, kind };
      case 'symlink':
        if (entry.linkPath === '') throw invalid('a symlink to nothing', entry.path);
        // Linux gives symlinks no mode of their own.
        return { ...attributes, mode: 0o777, kind, target: entry.linkPath };
      case 'character':
      case 'block':
        if (major < 0 || major > MAX_MAJOR || minor < 0 || minor > MAX_MINOR) {
          throw invalid('a device number that no device can have', entry.path);
        }
        return { ...attributes, kind, major, minor };
      case 'fifo':
        break;
    }
    return { ...attributes, kind, major: 0, minor: 0 };
  }

  #layOutFile({ size, sparse }: TarEntry, { xattrs }: InodeAttributes): FileData {
    enforce(this.#limits, 'maxFileBytes', size);
    if (!sparse) {
      this.#target = this.#files;
      return this.#files.begin(size, xattrs);
    }
    this.#writer.align(BLOCK_BYTES);
    const firstBlock = this.#writer.position / BLOCK_BYTES;
    const layout = layOutSparse(sparse, size, firstBlock);
    this.#sparseOverheadBytes += layout.overheadBytes;
    enforce(this.#limits, 'maxSparseOverheadBytes', this.#sparseOverheadBytes);
    this.#files.reserve(layout.ranges.reduce((bytes, { start, end }) => bytes + end - start, 0));
    this.#target = new SparseFileWriter(this.#writer, sparse, layout.ranges);
    return layout.data;
  }

  #count(entry: TarEntry): void {
    const limits = this.#limits;
    this.#entries++;
    this.#tree.count(entry.kind === 'directory');
    if (entry.path.includes('\0') || entry.linkPath.includes('\0')) {
      throw new LarderError('layers.invalid-entry', 'the layer has a name with a NUL', {
        facts: { offset: entry.offset },
      });
    }
    // A path's last NUL counts too.
    enforce(limits, 'maxPathBytes', Math.max(entry.path.length, entry.linkPath.length) + 1);
    const name = entry.path.slice(entry.path.lastIndexOf('/', entry.path.length - 2) + 1);
    if (name.length > limits.maxNameBytes) enforce(limits, 'maxNameBytes', name.replace(/\/$/, '').length);
    enforce(limits, 'maxXattrs', entry.xattrs.length);
    for (const { name: xattr } of entry.xattrs) enforce(limits, 'maxNameBytes', xattr.length);
    const xattrBytes = entry.xattrs.reduce((bytes, xattr) => bytes + xattr.name.length + xattr.value.length, 0);
    enforce(limits, 'maxXattrBytes', xattrBytes);
    for (const { value } of entry.xattrs) enforce(limits, 'maxXattrValueBytes', value.length);
    this.#metadataBytes += entry.path.length + entry.linkPath.length + xattrBytes + 48 * (entry.sparse?.length ?? 0);
    enforce(limits, 'maxMetadataBytes', this.#metadataBytes);
  }
}
