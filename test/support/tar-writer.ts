/**
 * Writes tar archives with every header field under the caller's control: ustar, pax extended headers (POSIX.1-2001) and
 * the GNU forms (long names, base-256 numbers, sparse maps). Names are byte strings (latin1), since they need not be UTF-8.
 */
const BLOCK = 512;
const MAX_OCTAL_ID = 0o7777777;
const MAX_OCTAL_TIME = 0o77777777777;
const MAX_NAME_BYTES = 100;

export const TAR_TYPES = {
  file: '0',
  hardLink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const;

export type TarEntry = {
  name: string;
  type: keyof typeof TAR_TYPES;
  mode?: number;
  uid?: number;
  gid?: number;
  /** Seconds since 1970 in decimal, with an optional fraction: `-1.5`. Fractions and negative times go into pax records. */
  mtime?: string;
  linkName?: string;
  device?: { major: number; minor: number };
  content?: Uint8Array;
  /** Only these parts of a file of `size` bytes hold data, each a multiple of 512 bytes as GNU tar has it; the rest are holes. */
  sparse?: { size: number; parts: readonly { offset: number; data: Uint8Array }[]; format: 'gnu' | 'pax-1.0' };
  /** Extended attributes, as SCHILY.xattr pax records. */
  xattrs?: Record<string, Uint8Array>;
  /** How a name or link target above 100 bytes, a large owner or a negative time is written. Default `pax`. */
  dialect?: 'pax' | 'gnu';
};

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The archive as chunks, with the two zero blocks at its end. */
export function* writeTar(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) yield* writeEntry(entry);
  yield Buffer.alloc(2 * BLOCK);
}

function* writeEntry(entry: TarEntry): Generator<Uint8Array> {
  const { name, linkName = '', dialect = 'pax', sparse } = entry;
  const records: [string, Uint8Array][] = [];
  if (dialect === 'gnu') {
    if (name.length > MAX_NAME_BYTES) yield* gnuLong('L', name);
    if (linkName.length > MAX_NAME_BYTES) yield* gnuLong('K', linkName);
  } else {
    if (name.length > MAX_NAME_BYTES && sparse?.format !== 'pax-1.0') records.push(['path', latin1(name)]);
    if (linkName.length > MAX_NAME_BYTES) records.push(['linkpath', latin1(linkName)]);
    if (isPaxTime(entry.mtime)) records.push(['mtime', latin1(entry.mtime ?? '')]);
    for (const field of ['uid', 'gid'] as const) {
      if ((entry[field] ?? 0) > MAX_OCTAL_ID) records.push([field, latin1(String(entry[field]))]);
    }
  }
  for (const [key, value] of Object.entries(entry.xattrs ?? {})) records.push([`SCHILY.xattr.${key}`, value]);
  if (sparse?.format === 'pax-1.0') {
    records.push(['GNU.sparse.major', latin1('1')], ['GNU.sparse.minor', latin1('0')]);
    records.push(['GNU.sparse.name', latin1(name)], ['GNU.sparse.realsize', latin1(String(sparse.size))]);
  }
  if (records.length > 0) yield* paxHeader(records);
  const body = bodyOf(entry);
  yield header(entry, body.length);
  yield body;
  yield padding(body.length);
}

function isPaxTime(mtime: string | undefined): boolean {
  return mtime !== undefined && (/^-|\./.test(mtime) || Number(mtime) > MAX_OCTAL_TIME);
}

function bodyOf({ content = new Uint8Array(), sparse }: TarEntry): Uint8Array {
  if (!sparse) return content;
  const data = sparse.parts.map((part) => part.data);
  if (sparse.format === 'gnu') return Buffer.concat(data);
  // GNU sparse format 1.0: the map in decimal lines, padded to a block, stands before the data.
  const extents = sparseExtents(sparse);
  const map = latin1(`${[extents.length, ...extents.flat()].join('\n')}\n`);
  return Buffer.concat([map, padding(map.length), ...data]);
}

/** Offset and length of each part; an empty one at the end says where a trailing hole ends, as GNU tar does it. */
function sparseExtents({ size, parts }: NonNullable<TarEntry['sparse']>): [number, number][] {
  return [...parts.map(({ offset, data }): [number, number] => [offset, data.length]), [size, 0]];
}

function padding(length: number): Uint8Array {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

function* gnuLong(type: 'L' | 'K', text: string): Generator<Uint8Array> {
  const body = latin1(`${text}\0`);
  yield rawHeader({ name: '././@LongLink', type, size: body.length, magic: 'gnu' });
  yield body;
  yield padding(body.length);
}

function* paxHeader(records: readonly [string, Uint8Array][]): Generator<Uint8Array> {
  const body = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  yield rawHeader({ name: 'PaxHeaders/entry', type: 'x', size: body.length, magic: 'ustar' });
  yield body;
  yield padding(body.length);
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([latin1(` ${key}=`), value, latin1('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([latin1(String(length)), rest]);
}

function header(entry: TarEntry, size: number): Buffer {
  const { name, type, mode = type === 'directory' ? 0o755 : 0o644, linkName = '', dialect = 'pax', sparse } = entry;
  const gnuSparse = sparse?.format === 'gnu';
  const block = rawHeader({
    name: sparse?.format === 'pax-1.0' ? 'GNUSparseFile.0/file' : name,
    type: gnuSparse ? 'S' : TAR_TYPES[type],
    size,
    magic: dialect === 'gnu' || gnuSparse ? 'gnu' : 'ustar',
    mode,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    mtime: Math.floor(Number(entry.mtime ?? '1700000000')),
    linkName,
    isGnuNumber: dialect === 'gnu',
    ...(entry.device ? { device: entry.device } : {}),
  });
  if (gnuSparse) writeGnuSparseMap(block, sparse);
  return block;
}

/** Four extents fit into an old GNU header; no test needs its extension blocks. */
function writeGnuSparseMap(block: Buffer, sparse: NonNullable<TarEntry['sparse']>): void {
  const extents = sparseExtents(sparse);
  if (extents.length > 4) throw new Error('an old GNU sparse header holds three parts and the end');
  for (const [index, [offset, length]] of extents.entries()) {
    writeNumber(block, { at: 386 + index * 24, width: 12, value: offset, isGnu: true });
    writeNumber(block, { at: 386 + index * 24 + 12, width: 12, value: length, isGnu: true });
  }
  writeNumber(block, { at: 483, width: 12, value: sparse.size, isGnu: true });
  writeChecksum(block);
}

type RawHeader = {
  name: string;
  type: string;
  size: number;
  magic: 'ustar' | 'gnu';
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  linkName?: string;
  device?: { major: number; minor: number };
  isGnuNumber?: boolean;
};

function rawHeader(fields: RawHeader): Buffer {
  const { isGnuNumber: isGnu = false } = fields;
  const block = Buffer.alloc(BLOCK);
  block.write(fields.name.slice(0, MAX_NAME_BYTES), 0, 'latin1');
  writeNumber(block, { at: 100, width: 8, value: fields.mode ?? 0o644, isGnu });
  writeNumber(block, { at: 108, width: 8, value: fields.uid ?? 0, isGnu });
  writeNumber(block, { at: 116, width: 8, value: fields.gid ?? 0, isGnu });
  writeNumber(block, { at: 124, width: 12, value: fields.size, isGnu });
  writeNumber(block, { at: 136, width: 12, value: fields.mtime ?? 0, isGnu });
  block.write(fields.type, 156, 'latin1');
  block.write((fields.linkName ?? '').slice(0, MAX_NAME_BYTES), 157, 'latin1');
  block.write(fields.magic === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 'latin1');
  if (fields.device) {
    writeNumber(block, { at: 329, width: 8, value: fields.device.major, isGnu });
    writeNumber(block, { at: 337, width: 8, value: fields.device.minor, isGnu });
  }
  writeChecksum(block);
  return block;
}

/** Octal where it fits; else base-256 in the GNU dialect, and 0 where a pax record says it. */
function writeNumber(block: Buffer, field: { at: number; width: number; value: number; isGnu: boolean }): void {
  const { at, width, value, isGnu } = field;
  const octal = value < 0 ? '' : value.toString(8).padStart(width - 1, '0');
  if (value >= 0 && octal.length < width) {
    block.write(octal, at, 'latin1');
  } else if (isGnu) {
    let rest = BigInt(value);
    for (let index = at + width - 1; index >= at; index--) {
      block[index] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    block[at] = (block[at] ?? 0) | 0x80;
  } else {
    block.write('0'.repeat(width - 1), at, 'latin1');
  }
}

function writeChecksum(block: Buffer): void {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
