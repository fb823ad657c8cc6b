import { LarderError } from '../lib/errors.ts';

export const BLOCK_BYTES = 512;
/** Offsets and lengths of the fields of a ustar header that are used here (POSIX.1-1988, pax(1)). */
const NAME = { at: 0, length: 100 };
const MODE = { at: 100, length: 8 };
const SIZE = { at: 124, length: 12 };
const MTIME = { at: 136, length: 12 };
const CHECKSUM = { at: 148, length: 8 };
const TYPE = 156;
const MAGIC = 257;
/** 11 octal digits; beyond it GNU tar's base-256 form is written, which every tar of today reads. */
const MAX_OCTAL_SIZE = 8 ** 11 - 1;

export type TarMember = { name: string; bytes: number };

/** The header of a plain file of mode 0600. */
export function tarHeader({ name, bytes }: TarMember): Uint8Array {
  if (Buffer.byteLength(name) > NAME.length) throw new RangeError(`name too long for a backup: ${name}`);
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(name, NAME.at);
  writeOctal(block, MODE, 0o600);
  writeOctal(block, { at: 108, length: 8 }, 0);
  writeOctal(block, { at: 116, length: 8 }, 0);
  if (bytes <= MAX_OCTAL_SIZE) writeOctal(block, SIZE, bytes);
  else {
    block[SIZE.at] = 0x80;
    block.writeBigUInt64BE(BigInt(bytes), SIZE.at + SIZE.length - 8);
  }
  writeOctal(block, MTIME, 0);
  block.write('0', TYPE);
  block.write('ustar\u000000', MAGIC);
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, CHECKSUM.at);
  return block;
}

/** Zeros that fill the last block of a member. */
export function tarPadding(bytes: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** What ends an archive. */
export const TAR_END = new Uint8Array(2 * BLOCK_BYTES);

/** Reads a header as {@link tarHeader} writes it; undefined for the end. Throws `backup.damaged` for anything else. */
export function readTarHeader(block: Buffer): TarMember | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const sum = Number.parseInt(block.toString('latin1', CHECKSUM.at, CHECKSUM.at + 6), 8);
  if (sum !== checksum(block) || block[TYPE] !== 0x30) {
    throw new LarderError('backup.damaged', 'this is no backup of Larder, or it is damaged');
  }
  const end = block.indexOf(0, NAME.at);
  const name = block.toString('utf8', NAME.at, Math.min(end, NAME.at + NAME.length));
  const isLarge = block[SIZE.at] === 0x80;
  const bytes = isLarge
    ? Number(block.readBigUInt64BE(SIZE.at + SIZE.length - 8))
    : Number.parseInt(block.toString('latin1', SIZE.at, SIZE.at + SIZE.length - 1), 8);
  return { name, bytes };
}

function writeOctal(block: Buffer, { at, length }: { at: number; length: number }, value: number): void {
  block.write(value.toString(8).padStart(length - 1, '0'), at);
}

/** The sum of all bytes, those of its own field counted as blanks. */
function checksum(block: Buffer): number {
  let sum = 0;
  for (const [at, byte] of block.entries()) {
    sum += at >= CHECKSUM.at && at < CHECKSUM.at + CHECKSUM.length ? 0x20 : byte;
  }
  return sum;
}
