import { createHash, hash } from 'node:crypto';
import { digestOfHex } from '../../lib/digest.ts';
import { PIECE_BYTES } from '../../lib/piece-digest.ts';
import type { LayerSink, ScratchFile } from '../blob-writer.ts';
import { type ConvertedLayer, type ConvertLayerOptions, convertLayer } from '../convert-layer.ts';
import { type ErofsFile, openErofs, type ReadAt } from '../erofs/index.ts';

export const digestOf = (bytes: Uint8Array) => digestOfHex(createHash('sha256').update(bytes).digest('hex'));

/** The tree digest by its definition: of the digests of the pieces, one after the other. */
export function treeDigest(file: Uint8Array) {
  const digests: Buffer[] = [];
  for (let at = 0; at < file.length; at += PIECE_BYTES) {
    digests.push(hash('sha256', file.subarray(at, at + PIECE_BYTES), 'buffer'));
  }
  return digestOf(Buffer.concat(digests));
}

export type MemorySink = LayerSink & { blob(): Buffer };

/** A sink in memory; what nobody wrote reads as zeros. */
export function memorySink(): MemorySink {
  const writes: { position: number; bytes: Buffer }[] = [];
  return {
    async writev(buffers, position) {
      await Promise.resolve();
      writes.push({ position, bytes: Buffer.concat(buffers) });
    },
    scratch: memoryScratch,
    blob() {
      const blob = Buffer.alloc(writes.reduce((end, write) => Math.max(end, write.position + write.bytes.length), 0));
      for (const { position, bytes } of writes) bytes.copy(blob, position);
      return blob;
    },
  };
}

/** A scratch file in memory. */
export async function memoryScratch(): Promise<ScratchFile> {
  const writes: { position: number; bytes: Buffer }[] = [];
  return {
    async write(bytes, position) {
      writes.push({ position, bytes: Buffer.from(bytes) });
    },
    async read(into, position) {
      const end = position + into.length;
      for (const write of writes) {
        const [from, to] = [Math.max(position, write.position), Math.min(end, write.position + write.bytes.length)];
        if (from < to) into.set(write.bytes.subarray(from - write.position, to - write.position), from - position);
      }
    },
    async close() {},
  };
}

export async function* pieces(bytes: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    await Promise.resolve();
    yield bytes.subarray(start, start + pieceBytes);
  }
}

/** Converts a plain tar in memory, expecting the digests it has. */
export async function convertTar(
  tar: Buffer,
  options: Partial<ConvertLayerOptions> & { pieceBytes?: number; sink?: MemorySink } = {},
): Promise<ConvertedLayer & { blob: Buffer }> {
  const { pieceBytes = 64 * 1024, sink = memorySink(), ...rest } = options;
  const digest = digestOf(tar);
  const layer = await convertLayer(pieces(tar, pieceBytes), {
    compression: 'none',
    expectedDigest: digest,
    expectedDiffId: digest,
    sink,
    ...rest,
  });
  const blob = sink.blob();
  if (layer.blobDigest !== treeDigest(blob)) throw new Error('the tree digest is not that of the blob');
  return { ...layer, blob };
}

export const readFrom =
  (blob: Buffer): ReadAt =>
  (position, length) =>
    Promise.resolve(blob.subarray(position, position + length));

export type Described = Omit<ErofsFile, 'xattrs' | 'extents'> & {
  xattrs: Record<string, string>;
  content: string | undefined;
};

/** The whole tree of a blob by path, '' being the root; contents and values as latin1. */
export async function describeBlob(blob: Buffer): Promise<Record<string, Described>> {
  const reader = await openErofs(readFrom(blob));
  const tree: Record<string, Described> = {};
  async function visit(path: string, file: ErofsFile): Promise<void> {
    const { nid, kind, mode, uid, gid, mtimeSec, mtimeNsec, links, size, major, minor, xattrs } = file;
    tree[path] = {
      nid,
      kind,
      mode,
      uid,
      gid,
      mtimeSec,
      mtimeNsec,
      links,
      size,
      major,
      minor,
      xattrs: Object.fromEntries(xattrs.map(({ name, value }) => [name, Buffer.from(value).toString('latin1')])),
      content: await contentOf(file),
    };
    if (file.kind !== 'directory') return;
    for await (const entry of reader.list(file)) {
      await visit(path === '' ? entry.name : `${path}/${entry.name}`, await reader.inode(entry.nid));
    }
  }
  async function contentOf(file: ErofsFile): Promise<string | undefined> {
    if (file.kind === 'symlink') return reader.readTarget(file);
    if (file.kind !== 'file') return undefined;
    const parts: Uint8Array[] = [];
    for await (const part of reader.read(file)) parts.push(part);
    return Buffer.concat(parts).toString('latin1');
  }
  await visit('', reader.root);
  return tree;
}
