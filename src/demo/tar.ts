const BLOCK_BYTES = 512;
/** Fields of a ustar header (POSIX.1-1988, pax(1)): offset and length in bytes. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
} as const;
const CHECKSUM = { offset: 148, length: 8 };
const TYPE_OFFSET = 156;
const MAGIC_OFFSET = 257;

/** One file or directory of a layer, owned by root; its path is relative and at most 100 bytes. */
export type TarEntry = {
  path: string;
  mode: number;
  content?: { bytes: number; read(): AsyncIterable<Uint8Array> };
};

/** Writes a tar archive as it is read: enough of ustar for a layer of plain files, and no more. */
export async function* writeTar(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry);
    let written = 0;
    for await (const chunk of entry.content?.read() ?? []) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== (entry.content?.bytes ?? 0)) throw new Error(`${entry.path} changed while it was read`);
    if (written % BLOCK_BYTES !== 0) yield new Uint8Array(BLOCK_BYTES - (written % BLOCK_BYTES));
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

function header(entry: TarEntry): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  const path = entry.content ? entry.path : `${entry.path}/`;
  if (Buffer.byteLength(path) > FIELD.name[1]) throw new RangeError(`path too long for this tar writer: ${path}`);
  block.write(path, FIELD.name[0]);
  const octal = ([offset, length]: readonly [number, number], value: number) => {
    block.write(value.toString(8).padStart(length - 1, '0'), offset);
  };
  octal(FIELD.mode, entry.mode);
  octal(FIELD.uid, 0);
  octal(FIELD.gid, 0);
  octal(FIELD.size, entry.content?.bytes ?? 0);
  octal(FIELD.mtime, 0);
  block.write(entry.content ? '0' : '5', TYPE_OFFSET);
  block.write('ustar\u000000', MAGIC_OFFSET);
  // The checksum counts its own field as blanks.
  block.fill(' ', CHECKSUM.offset, CHECKSUM.offset + CHECKSUM.length);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM.offset);
  return block;
}
