import { gzipSync } from 'node:zlib';
import { entryBytes, type TestEntry } from '../../../src/layers/testing/tar-writer.ts';

export type { TestEntry } from '../../../src/layers/testing/tar-writer.ts';
export { END_OF_ARCHIVE, entryBytes, number, paxRecord, tarOf } from '../../../src/layers/testing/tar-writer.ts';

const BLOCK_BYTES = 512;

export const file = (path: string, content = 'x', more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  data: Buffer.from(content, 'latin1'),
  ...more,
});
export const directory = (path: string, more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  type: '5',
  mode: 0o755,
  ...more,
});
export const symlink = (path: string, linkPath: string, more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  type: '2',
  linkPath,
  ...more,
});
export const hardLink = (path: string, linkPath: string, more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  type: '1',
  linkPath,
  ...more,
});

/** A number that no JavaScript number holds, as GNU tar's base 256 writes it. */
export function putBigNumber(header: Buffer, start: number, length: number, value: bigint): void {
  let rest = value;
  for (let index = start + length - 1; index >= start; index--) {
    header[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  header[start] = (header[start] ?? 0) | 0x80;
}

/** Sums a header block anew. */
export function fixChecksum(header: Buffer): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
}

/**
 * `count` entries that differ in the eight zeros at each of `digitsAt`, which are in the last header of the template; fast, for
 * hundreds of thousands of them.
 */
export function manyEntries(template: TestEntry, count: number, ...digitsAt: number[]): Buffer {
  const one = entryBytes(template);
  const places = digitsAt.length > 0 ? digitsAt : [0];
  const header = Math.max(...places) & ~(BLOCK_BYTES - 1);
  for (const at of places)
    if (one.toString('latin1', at, at + 8) !== '00000000') throw new Error('a template has eight zeros in its names');
  const templateSum = Number.parseInt(one.toString('latin1', header + 148, header + 154), 8);
  const all = Buffer.alloc(one.length * count, one);
  for (let index = 0; index < count; index++) {
    const start = index * one.length;
    const name = String(index).padStart(8, '0');
    // The checksum grows by what the digits add to eight zeros.
    let sum = templateSum;
    for (const digit of name) sum += Number(digit) * places.length;
    for (const at of places) all.write(name, start + at, 'latin1');
    all.write(sum.toString(8).padStart(6, '0'), start + header + 148, 'latin1');
  }
  return all;
}

/** Gzip members one after the other, the last of them `count` times: a bomb of any size, made in a moment. */
export function gzipMembers(parts: readonly Uint8Array[], repeated: Uint8Array, count: number): Buffer {
  const member = gzipSync(repeated);
  return Buffer.concat([...parts.map((part) => gzipSync(part)), ...Array.from({ length: count }, () => member)]);
}
