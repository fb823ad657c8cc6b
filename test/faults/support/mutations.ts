import { pick } from '../../support/random.ts';
import { fixChecksum } from './corpus-tar.ts';
import type { Random } from './disk-model.ts';

const BLOCK_BYTES = 512;

/**
 * One to four bytes of the tar, most of the time of a header whose checksum is made right again; at times a cut. In a tar of
 * large files hardly any byte is a header's: give it `headers`, and half of the changes go there.
 */
export function mutateTar(seed: Buffer, random: Random, headers: readonly number[] = []): Buffer {
  const tar = Buffer.from(seed);
  for (let count = Math.floor(random() * 4); count >= 0; count--) {
    const at =
      headers.length > 0 && random() < 0.5
        ? pick(headers, random) + Math.floor(random() * BLOCK_BYTES)
        : Math.floor(random() * tar.length);
    const block = at - (at % BLOCK_BYTES);
    const isHeader = isHeaderAt(tar, block);
    tar[at] = random() < 0.5 ? Math.floor(random() * 256) : (tar[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    if (isHeader && random() < 0.8) fixChecksum(tar.subarray(block, block + BLOCK_BYTES));
  }
  return random() < 0.1 ? tar.subarray(0, Math.floor(random() * tar.length)) : tar;
}

/** Where the headers of a tar are, those of extensions among them. */
export function headersOf(tar: Buffer): number[] {
  const headers: number[] = [];
  for (let block = 0; block < tar.length; block += BLOCK_BYTES) if (isHeaderAt(tar, block)) headers.push(block);
  return headers;
}

function isHeaderAt(tar: Buffer, block: number): boolean {
  return tar.toString('latin1', block + 257, block + 262) === 'ustar';
}

export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let count = Math.floor(random() * 4); count >= 0; count--) {
    const at = Math.floor(random() * copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  return random() < 0.1 ? copy.subarray(0, Math.floor(random() * copy.length)) : copy;
}
