import { constants, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { sha256 } from '../../support/registry-image.ts';
import { digestOfParts, type HostileCase, packedCase, tarCase } from './corpus.ts';
import {
  directory,
  END_OF_ARCHIVE,
  entryBytes,
  file,
  gzipMembers,
  hardLink,
  manyEntries,
  symlink,
  tarOf,
} from './corpus-tar.ts';

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
const MIB = 2 ** 20;

/** A sound layer that no other image has: a layer that is there already would be taken without a look at the registry. */
function partsOf(name: string) {
  const tar = tarOf([directory('d'), file('d/f', `${name} `.padEnd(CONTENT_BYTES, 'content '))]);
  const half = Math.floor(tar.length / 2);
  return {
    tar,
    front: tar.subarray(0, half),
    back: tar.subarray(half),
    gzip: gzipSync(tar),
    zstd: zstdCompressSync(tar),
  };
}
type Make = (parts: ReturnType<typeof partsOf>) => Uint8Array;

const CONTENT_BYTES = 16_000;
const listing = { d: 'directory', 'd/f': `file of ${CONTENT_BYTES}` };

function stream(mediaType: string, name: string, make: Make, expect: HostileCase['expect']): HostileCase {
  const parts = partsOf(name);
  return packedCase('stream', name, [{ bytes: make(parts), diffId: sha256(parts.tar), mediaType }], expect);
}
const gz = (name: string, make: Make, expect: HostileCase['expect']) => stream(GZIP, `gzip: ${name}`, make, expect);
const zs = (name: string, make: Make, expect: HostileCase['expect']) => stream(ZSTD, `zstd: ${name}`, make, expect);

const flipped = (bytes: Uint8Array, at: number) => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
};
const NO_GZIP = /no sound gzip stream.*near compressed byte \d+/;
const NO_ZSTD = /no sound zstd stream.*near compressed byte \d+/;

/** Compressed streams that are cut, followed by junk, damaged, or odd and legal. */
export const STREAMS: readonly HostileCase[] = [
  gz('cut in the middle', ({ gzip }) => gzip.subarray(0, gzip.length >> 1), NO_GZIP),
  gz('cut in the trailer', ({ gzip }) => gzip.subarray(0, -3), NO_GZIP),
  gz('cut after its header', ({ gzip }) => gzip.subarray(0, 10), NO_GZIP),
  gz('empty', () => new Uint8Array(), NO_GZIP),
  gz('junk behind it', ({ gzip }) => Buffer.concat([gzip, Buffer.from('junk junk junk')]), NO_GZIP),
  gz('zeros behind it', ({ gzip }) => Buffer.concat([gzip, Buffer.alloc(100)]), NO_GZIP),
  gz('a wrong checksum', ({ gzip }) => flipped(gzip, gzip.length - 6), NO_GZIP),
  gz('a flipped bit', ({ gzip }) => flipped(gzip, gzip.length >> 1), NO_GZIP),
  gz('no gzip at all', () => Buffer.from('<html>not found</html>'), NO_GZIP),
  gz('raw deflate', ({ tar }) => deflateRawSync(tar), NO_GZIP),
  gz(
    'members, legal',
    ({ front, back }) => Buffer.concat([gzipSync(front), gzipSync(new Uint8Array()), gzipSync(back)]),
    listing,
  ),
  gz(
    '1,000 empty members, legal',
    ({ gzip }) => Buffer.concat([gzip, ...Array.from({ length: 1000 }, () => gzipSync(new Uint8Array()))]),
    listing,
  ),
  gz('another layer behind it in a second member', ({ gzip }) => Buffer.concat([gzip, gzip]), /diffID is/),
  zs('cut', ({ zstd }) => zstd.subarray(0, -5), NO_ZSTD),
  zs('empty', () => new Uint8Array(), NO_ZSTD),
  zs('junk behind it', ({ zstd }) => Buffer.concat([zstd, Buffer.from('junk junk junk')]), NO_ZSTD),
  zs(
    'a flipped bit',
    ({ tar }) => {
      const bytes = zstdCompressSync(tar, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
      return flipped(bytes, bytes.length >> 1);
    },
    NO_ZSTD,
  ),
  zs('no zstd at all', () => Buffer.from('<html>not found</html>'), NO_ZSTD),
  zs(
    'frames, legal',
    ({ front, back }) => Buffer.concat([zstdCompressSync(front), skippable(100), zstdCompressSync(back)]),
    listing,
  ),
  zs('a window of 2 GiB', () => zstdZeros(128 * 1024, 21), /limit maxWindowBytes/),
  zs(
    '10,000 frames to skip, legal',
    ({ zstd }) => Buffer.concat([...Array.from({ length: 10_000 }, () => skippable(0)), zstd]),
    listing,
  ),
  packedCase(
    'stream',
    'a layer without a tar, legal',
    [{ bytes: gzipSync(new Uint8Array()), diffId: sha256(new Uint8Array()) }],
    {},
  ),
  tarCase('stream', 'a tar that ends in a header', [tarOf([file('f')]).subarray(0, 300)], /no sound tar: a cut/),
  tarCase(
    'stream',
    'a tar that ends in a file',
    [tarOf([file('f', 'x'.repeat(2000))]).subarray(0, 1500)],
    /no sound tar: a cut/,
  ),
  tarCase('stream', 'a tar with a wrong checksum', [flipped(tarOf([file('f')]), 20)], /a header with a wrong checksum/),
  tarCase(
    'stream',
    'a tar that goes on after one block of zeros',
    [Buffer.concat([Buffer.alloc(512), tarOf([file('f')])])],
    /data after a zero block/,
  ),
];

/** A frame of no bytes: one segment, its size 0, a last block of nothing (RFC 8878, 3.1.1). */
const EMPTY_FRAME = Buffer.from('28b52ffd2000010000', 'hex');

/** A frame that decoders skip (RFC 8878, 3.1.2). */
function skippable(bytes: number): Buffer {
  const frame = Buffer.alloc(8 + bytes);
  frame.writeUInt32LE(0x184d2a50, 0);
  frame.writeUInt32LE(bytes, 4);
  return frame;
}

/** Blocks that repeat one byte 128 KiB long, in a frame with a window of 2^(10 + exponent) bytes: four bytes each. */
function zstdZeros(bytes: number, exponent: number): Buffer {
  const block = 128 * 1024;
  const count = bytes / block;
  const frame = Buffer.alloc(6 + 4 * count);
  Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, exponent << 3]).copy(frame);
  for (let index = 0; index < count; index++) {
    // Block_Header: last, type 1 (RLE), size.
    frame.writeUIntLE((index === count - 1 ? 1 : 0) | (1 << 1) | (block << 3), 6 + 4 * index, 3);
  }
  return frame;
}

const zeros = Buffer.alloc(16 * MIB);
const sizedFile = (name: string, bytes: number) => entryBytes({ path: name, size: bytes });

type MakeCase = () => HostileCase;

/** What costs time, memory or disk. Made when asked for: some are hundreds of megabytes. */
export const BOMBS: readonly MakeCase[] = [
  () => zerosInGzip(2 ** 27),
  () => largeLayers(2, 150_000),
  () =>
    packedCase(
      'bomb',
      '64 GiB of zeros in gzip',
      [{ bytes: gzipMembers([sizedFile('zeros', 2 ** 36)], zeros, 4096) }],
      /larger than the image cache/,
    ),
  () =>
    packedCase(
      'bomb',
      '16 GiB behind the end of the tar, in zstd',
      [{ bytes: Buffer.concat([zstdCompressSync(END_OF_ARCHIVE), zstdZeros(2 ** 34, 7)]), mediaType: ZSTD }],
      /limit max(Ratio|TrailingBytes)/,
    ),
  () =>
    packedCase(
      'bomb',
      'a window of 128 MiB in zstd',
      [
        {
          bytes: Buffer.concat([zstdCompressSync(sizedFile('zeros', 2 ** 29)), zstdZeros(2 ** 29, 17)]),
          mediaType: ZSTD,
        },
      ],
      /limit maxWindowBytes/,
    ),
  () =>
    many('500,001 entries of one name', Buffer.alloc(512 * 500_001, entryBytes(file('same', ''))), /limit maxEntries/),
  () =>
    many(
      '30,000 entries below 120 directories each that have none',
      manyEntries(file('n', '', { patch: deepName }), 30_000, PREFIX_AT),
      /limit maxDirectories/,
    ),
];

/** Where a link's target is in its header. */
const LINK_AT = 157;
/** A pax header, and a block of records. */
const PAX_BYTES = 1024;

/** As much as the limits let through, or nearly: a server of its own for each, in the long run alone. */
export const HEAVY: readonly MakeCase[] = [
  () => zerosInGzip(2 ** 30),
  () => many('500,000 files, legal', manyEntries(file('00000000', ''), 500_000), 'Ready'),
  () => largeLayers(3, 500_000),
  () => many('500,000 files of 1,500 bytes, legal', manyEntries(file('00000000', 'x'.repeat(1500)), 500_000), 'Ready'),
  () =>
    many('500,000 symlinks to 100 bytes, legal', manyEntries(symlink('00000000', 't'.repeat(100)), 500_000), 'Ready'),
  () =>
    many(
      '500,000 attributes of 100 bytes, legal',
      manyEntries(file('00000000', '', { pax: { 'SCHILY.xattr.user.a': 'v'.repeat(100) } }), 500_000, PAX_BYTES),
      'Ready',
    ),
  () =>
    many(
      '500,000 hard links to nothing',
      manyEntries(hardLink('00000000', `00000000${'t'.repeat(90)}`), 500_000, 0, LINK_AT),
      /hard link to .*which is not in this layer/,
    ),
  () => many('150,000 directories, legal', manyEntries(directory('00000000/'), 150_000), 'Ready'),
  () => many('150,001 directories', manyEntries(directory('00000000/'), 150_001), /limit maxDirectories/),
  () =>
    many(
      '1 GiB of pax headers',
      entryBytes({ path: 'p', type: 'x', data: paxBulk() }),
      /limit maxExtensionBytes/,
      1024,
    ),
  () =>
    packedCase(
      'bomb',
      '16 GiB of zeros in zstd',
      [
        {
          bytes: Buffer.concat([zstdCompressSync(sizedFile('zeros', 2 ** 34)), zstdZeros(2 ** 34, 7)]),
          mediaType: ZSTD,
        },
      ],
      /limit maxRatio/,
    ),
  () =>
    packedCase(
      'bomb',
      '64 MiB of a zstd window',
      [
        {
          bytes: Buffer.concat([zstdCompressSync(sizedFile('zeros', 2 ** 29)), zstdZeros(2 ** 29, 16)]),
          mediaType: ZSTD,
          diffId: digestOfParts([sizedFile('zeros', 2 ** 29)], zeros, 32),
        },
      ],
      { zeros: `file of ${2 ** 29}` },
    ),
  () =>
    packedCase(
      'bomb',
      '200,001 frames of zstd',
      [{ bytes: Buffer.alloc(9 * 200_001, EMPTY_FRAME), mediaType: ZSTD }],
      /limit maxFrames/,
    ),
];

/** Layers side by side, each of which takes much memory alone. */
function largeLayers(count: number, entries: number): HostileCase {
  const layers = Array.from({ length: count }, (_, index) => {
    const tar = Buffer.concat([manyEntries(file(`00000000 of layer ${index}`, ''), entries), END_OF_ARCHIVE]);
    return { bytes: gzipSync(tar, { level: 1 }), diffId: sha256(tar) };
  });
  return packedCase('bomb', `${count} layers of ${entries} files, legal`, layers, 'Ready');
}

function zerosInGzip(bytes: number): HostileCase {
  const head = sizedFile('zeros', bytes);
  const count = bytes / zeros.length;
  const layer = { bytes: gzipMembers([head], zeros, count), diffId: digestOfParts([head], zeros, count) };
  return packedCase('bomb', `${bytes / MIB} MiB of zeros in gzip, legal`, [layer], { zeros: `file of ${bytes}` });
}

function many(name: string, tarBytes: Buffer, expect: HostileCase['expect'], times = 1): HostileCase {
  const all = times > 1 ? undefined : Buffer.concat([tarBytes, END_OF_ARCHIVE]);
  if (all) return packedCase('bomb', name, [{ bytes: gzipSync(all, { level: 1 }), diffId: sha256(all) }], expect);
  return packedCase('bomb', name, [{ bytes: gzipMembers([], tarBytes, times) }], expect);
}

/** The second field of a ustar name, which comes first. */
const PREFIX_AT = 345;

/** A ustar name of 255 bytes: eight digits and 120 directories. */
function deepName(header: Buffer): void {
  header.fill(0, 0, 100);
  header.write('d/'.repeat(49), 0, 'latin1');
  header.write(`00000000${'/d'.repeat(73)}`, PREFIX_AT, 'latin1');
}

function paxBulk(): Buffer {
  const records: string[] = [];
  for (let index = 0; index < 9_000; index++)
    records.push(`114 k${String(index).padStart(7, '0')}=${'v'.repeat(100)}\n`);
  return Buffer.from(records.join(''));
}
