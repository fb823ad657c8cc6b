/** A small tar writer for tests: says exactly what is asked, sound or not. */
export type TestEntry = {
  path: string;
  type?: string;
  linkPath?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  data?: Buffer;
  /** Of the header, where it is not the data's. */
  size?: number;
  devMajor?: number;
  devMinor?: number;
  pax?: Record<string, string | Buffer>;
  /** Written as they are, in front of the entry. */
  gnuLongName?: string;
  gnuLongLink?: string;
  /** Changes the header block before its checksum is made. */
  patch?: (header: Buffer) => void;
};

export const END_OF_ARCHIVE = Buffer.alloc(1024);

export function tarOf(entries: readonly TestEntry[]): Buffer {
  return Buffer.concat([...entries.map(entryBytes), END_OF_ARCHIVE]);
}

export function entryBytes(entry: TestEntry): Buffer {
  const parts: Buffer[] = [];
  if (entry.pax) parts.push(member({ path: 'pax', type: 'x', data: paxData(entry.pax) }));
  if (entry.gnuLongName)
    parts.push(member({ path: '././@LongLink', type: 'L', data: latin1(`${entry.gnuLongName}\0`) }));
  if (entry.gnuLongLink)
    parts.push(member({ path: '././@LongLink', type: 'K', data: latin1(`${entry.gnuLongLink}\0`) }));
  parts.push(member(entry));
  return Buffer.concat(parts);
}

function member(entry: TestEntry): Buffer {
  const header = Buffer.alloc(512);
  const data = entry.data ?? Buffer.alloc(0);
  header.write(entry.path, 0, 100, 'latin1');
  number(header, 100, 8, entry.mode ?? 0o644);
  number(header, 108, 8, entry.uid ?? 0);
  number(header, 116, 8, entry.gid ?? 0);
  number(header, 124, 12, entry.size ?? data.length);
  number(header, 136, 12, entry.mtime ?? 0);
  header.write(entry.type ?? '0', 156, 1, 'latin1');
  header.write(entry.linkPath ?? '', 157, 100, 'latin1');
  header.write('ustar\x0000', 257, 8, 'latin1');
  number(header, 329, 8, entry.devMajor ?? 0);
  number(header, 337, 8, entry.devMinor ?? 0);
  entry.patch?.(header);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return Buffer.concat([header, data, Buffer.alloc(-data.length & 511)]);
}

/** Octal where it fits, else GNU's base 256. */
export function number(header: Buffer, start: number, length: number, value: number): void {
  if (value >= 0 && value < 8 ** (length - 1)) {
    header.write(value.toString(8).padStart(length - 1, '0'), start, length - 1, 'latin1');
    return;
  }
  let rest = BigInt(value);
  for (let index = start + length - 1; index >= start; index--) {
    header[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  header[start] = (header[start] ?? 0) | 0x80;
}

export function paxData(records: Record<string, string | Buffer>): Buffer {
  return Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
}

export function paxRecord(key: string, value: string | Buffer): Buffer {
  const body = Buffer.concat([latin1(` ${key}=`), typeof value === 'string' ? latin1(value) : value, latin1('\n')]);
  let length = body.length;
  while (length !== body.length + String(length).length) length = body.length + String(length).length;
  return Buffer.concat([latin1(String(length)), body]);
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
