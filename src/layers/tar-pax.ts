import type { ByteString } from './erofs/index.ts';
import { enforce, type LayerLimits } from './limits.ts';
import { corruptTar } from './tar-header.ts';
import { pairUp, type SparseSegment } from './tar-sparse.ts';

/** Records of one extended header (POSIX pax, "pax Extended Header"), values as bytes. */
export type PaxRecords = Map<ByteString, ByteString>;

/** GNU sparse 0.0 repeats these two keys; they become the 0.1 form, one list, as in Go's archive/tar. */
const SPARSE_OFFSET = 'GNU.sparse.offset';
const SPARSE_LENGTH = 'GNU.sparse.numbytes';
export const SPARSE_MAP = 'GNU.sparse.map';

/** What xattrs.ts reads. */
export const SCHILY = 'SCHILY.xattr.';
export const LIBARCHIVE = 'LIBARCHIVE.xattr.';
/** The records that somebody reads. A header may hold thousands of others, and making strings of them would take the memory. */
const READ_KEYS = new Set(['path', 'linkpath', 'size', 'uid', 'gid', 'mtime']);
const READ_PREFIXES = ['GNU.sparse.', SCHILY, LIBARCHIVE];

/** Reads the `LENGTH KEY=VALUE\n` records that mean something here; a later one replaces an earlier one. Throws `layers.corrupt` and `layers.limit`. */
export function parsePax(bytes: Buffer, offset: number, limits: LayerLimits): PaxRecords {
  const records: PaxRecords = new Map();
  const sparse: ByteString[] = [];
  for (let start = 0, count = 1; start < bytes.length; count++) {
    enforce(limits, 'maxPaxRecords', count);
    const space = bytes.indexOf(0x20, start);
    const lengthText = space < 0 ? '' : bytes.toString('latin1', start, Math.min(space, start + 11));
    const end = start + Number(lengthText);
    const equals = bytes.indexOf(0x3d, space);
    if (!/^\d{1,10}$/.test(lengthText) || end > bytes.length || equals <= space + 1 || equals > end - 2) {
      throw corruptTar('a broken pax record', offset);
    }
    if (bytes[end - 1] !== 0x0a) throw corruptTar('a broken pax record', offset);
    const key = bytes.toString('latin1', space + 1, equals);
    start = end;
    if (key.includes('\0')) throw corruptTar('a pax record with a NUL', offset);
    if (!isRead(key)) continue;
    const value = bytes.toString('latin1', equals + 1, end - 1);
    if (isText(key) && value.includes('\0')) throw corruptTar('a pax record with a NUL', offset);
    if (key === SPARSE_OFFSET || key === SPARSE_LENGTH) {
      if (key !== (sparse.length % 2 === 0 ? SPARSE_OFFSET : SPARSE_LENGTH)) {
        throw corruptTar('a broken sparse map', offset);
      }
      sparse.push(value);
    } else {
      records.set(key, value);
    }
  }
  if (sparse.length > 0) records.set(SPARSE_MAP, sparse.join(','));
  return records;
}

function isRead(key: ByteString): boolean {
  return READ_KEYS.has(key) || READ_PREFIXES.some((prefix) => key.startsWith(prefix));
}

function isText(key: ByteString): boolean {
  return key === 'path' || key === 'linkpath' || key === 'GNU.sparse.name';
}

/** A decimal integer record. Throws `layers.corrupt`. */
export function paxInteger(value: ByteString, offset: number): number {
  const number = Number(value);
  if (!/^[+-]?\d+$/.test(value) || !Number.isSafeInteger(number)) throw corruptTar('a pax number out of range', offset);
  return number;
}

/** `-1.5` is half a second before −1: −2 s and 500,000,000 ns. Digits beyond nanoseconds are cut off, as by Go. */
export function paxTime(value: ByteString, offset: number): { sec: number; nsec: number } {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(value);
  if (!match) throw corruptTar('a pax time that is no number', offset);
  const sec = paxInteger(match[2] ?? '', offset);
  const nsec = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] !== '-') return { sec, nsec };
  return nsec === 0 ? { sec: sec === 0 ? 0 : -sec, nsec: 0 } : { sec: -sec - 1, nsec: 1_000_000_000 - nsec };
}

/** The 0.1 form: `offset,length,offset,length…`. */
export function paxSparseMap(records: PaxRecords, offset: number): SparseSegment[] {
  const text = records.get(SPARSE_MAP) ?? '';
  const numbers = text === '' ? [] : text.split(',').map((part) => paxInteger(part, offset));
  const count = paxInteger(records.get('GNU.sparse.numblocks') ?? String(numbers.length / 2), offset);
  if (numbers.length !== 2 * count) throw corruptTar('a broken sparse map', offset);
  return pairUp(numbers);
}
