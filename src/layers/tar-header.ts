import { LarderError } from '../lib/errors.ts';
import type { ByteString } from './erofs/index.ts';

/** POSIX ustar, "ustar Interchange Format"; GNU's and star's variants as in GNU tar's src/tar.h. */
export const TAR_BLOCK_BYTES = 512;

export type RawHeader = {
  typeFlag: string;
  name: ByteString;
  linkName: ByteString;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSec: number;
  devMajor: number;
  devMinor: number;
  isGnu: boolean;
};

/** Reads a header block; throws `layers.corrupt` when its checksum or a number is wrong. */
export function parseHeader(block: Buffer, offset: number): RawHeader {
  const isZeroType = block[156] === 0;
  checkSum(block, offset);
  const magic = block.toString('latin1', 257, 265);
  const isPosix = magic === 'ustar\x0000' || (magic.startsWith('ustar') && magic !== 'ustar  \0');
  const isGnu = magic === 'ustar  \0';
  let name = text(block, 0, 100);
  if (isPosix) {
    const isStar = block.toString('latin1', 508, 512) === 'tar\0';
    const prefix = text(block, 345, isStar ? 131 : 155);
    if (prefix !== '') name = `${prefix}/${name}`;
  }
  const hasDevice = isPosix || isGnu;
  return {
    typeFlag: isZeroType ? '\0' : String.fromCharCode(block[156] ?? 0),
    name,
    linkName: text(block, 157, 100),
    mode: tarNumber(block, 100, 8, offset),
    uid: tarNumber(block, 108, 8, offset),
    gid: tarNumber(block, 116, 8, offset),
    size: tarNumber(block, 124, 12, offset),
    mtimeSec: tarNumber(block, 136, 12, offset),
    devMajor: hasDevice ? tarNumber(block, 329, 8, offset) : 0,
    devMinor: hasDevice ? tarNumber(block, 337, 8, offset) : 0,
    isGnu,
  };
}

/** A NUL-terminated field, or all of it. */
function text(block: Buffer, start: number, length: number): ByteString {
  const end = block.indexOf(0, start);
  return block.toString('latin1', start, end < 0 || end > start + length ? start + length : end);
}

/** The sum of all bytes, the checksum's own as spaces. Old tars summed signed bytes; both are taken, as by Go. */
function checkSum(block: Buffer, offset: number): void {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let index = 0; index < TAR_BLOCK_BYTES; index++) {
    if (index === 148) index = 156;
    const byte = block[index] ?? 0;
    unsigned += byte;
    high += byte >> 7;
  }
  const stored = tarNumber(block, 148, 8, offset);
  if (stored !== unsigned && stored !== unsigned - 256 * high)
    throw corruptTar('a header with a wrong checksum', offset);
}

/** Octal, padded with spaces and NULs; or, where the first bit is set, base 256 in two's complement (GNU). */
export function tarNumber(block: Buffer, start: number, length: number, offset: number): number {
  const first = block[start] ?? 0;
  if (first & 0x80) return base256(block, start, length, offset);
  let value = 0;
  let index = start;
  const end = start + length;
  while (index < end && (block[index] === 0x20 || block[index] === 0)) index++;
  for (; index < end; index++) {
    const byte = block[index] ?? 0;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) throw corruptTar('a header field that is no number', offset);
    value = value * 8 + byte - 0x30;
  }
  for (; index < end && block[index] !== 0; index++) {
    if (block[index] !== 0x20) throw corruptTar('a header field that is no number', offset);
  }
  return value;
}

function base256(block: Buffer, start: number, length: number, offset: number): number {
  const isNegative = ((block[start] ?? 0) & 0x40) !== 0;
  let value = 0;
  for (let index = start; index < start + length; index++) {
    const byte = (block[index] ?? 0) ^ (isNegative ? 0xff : 0);
    value = value * 256 + (index === start ? byte & 0x7f : byte);
  }
  if (!Number.isSafeInteger(value)) throw corruptTar('a number beyond 2^53', offset);
  return isNegative ? -value - 1 : value;
}

export function corruptTar(what: string, offset: number): LarderError {
  return new LarderError('layers.corrupt', `the layer is corrupt, no sound tar: ${what} at byte ${offset}`, {
    facts: { stage: 'tar', offset },
  });
}
