import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { skipWithout } from '../../test/support/requirements.ts';
import { LarderError } from '../lib/errors.ts';
import { createDecompressor } from './decompress.ts';
import type { Decompressor } from './decompressor.ts';
import { findIgzip } from './igzip.ts';
import { takeRing } from './shared-ring.ts';
import { pieces } from './testing/memory.ts';

const igzipPath = await findIgzip(process.env.PATH);
const inflaters: { name: string; decompress: Decompressor; skip: string | false }[] = [
  { name: 'node:zlib', decompress: createDecompressor(), skip: false },
  {
    name: 'igzip',
    decompress: createDecompressor(igzipPath === undefined ? {} : { igzipPath }),
    skip: skipWithout({ tools: ['igzip'] }),
  },
];

const text = Buffer.from(Array.from({ length: 60_000 }, (_, index) => `line ${index * 7919}\n`).join(''));

/** One is in use at a time. */
const memory = takeRing();
const ring = () => memory;

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  // A part is valid until the next one only.
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

const isCorrupt = (error: unknown) =>
  error instanceof LarderError && error.code === 'layers.corrupt' && typeof error.facts.offset === 'number';

for (const { name, decompress, skip } of inflaters) {
  const gunzip = (bytes: Buffer, pieceBytes = 10_000) =>
    collect(decompress('gzip', pieces(bytes, pieceBytes), { ring }));
  const member = gzipSync(text);

  test(`${name}: one member, several, empty ones`, { skip }, async () => {
    assert.ok(text.equals(await gunzip(member)));
    assert.ok(text.equals(await gunzip(member, member.length)));
    const three = Buffer.concat([member, gzipSync(Buffer.from('end')), gzipSync(Buffer.alloc(0))]);
    for (const pieceBytes of [three.length, member.length, 999]) {
      assert.ok(Buffer.concat([text, Buffer.from('end')]).equals(await gunzip(three, pieceBytes)), `${pieceBytes}`);
    }
  });

  test(`${name}: what is cut, flipped or followed by garbage is corrupt`, { skip }, async () => {
    const flipped = Buffer.from(member);
    flipped[member.length >> 1] = (flipped[member.length >> 1] ?? 0) ^ 0xff;
    const wrongCrc = Buffer.from(member);
    wrongCrc[member.length - 8] = (wrongCrc[member.length - 8] ?? 0) ^ 1;
    const broken: Record<string, Buffer> = {
      empty: Buffer.alloc(0),
      plain: text,
      cut: member.subarray(0, 5000),
      'cut in the trailer': member.subarray(0, -3),
      'cut second header': Buffer.concat([member, member.subarray(0, 4)]),
      flipped,
      wrongCrc,
      garbage: Buffer.concat([member, Buffer.from('garbage')]),
      zeros: Buffer.concat([member, Buffer.alloc(100)]),
    };
    for (const [what, bytes] of Object.entries(broken)) {
      for (const pieceBytes of [bytes.length + 1, member.length, 777]) {
        await assert.rejects(gunzip(bytes, pieceBytes), isCorrupt, `${what} in pieces of ${pieceBytes}`);
      }
    }
  });

  test(`${name}: the source's failure comes through as it is`, { skip }, async () => {
    const failure = new Error('connection lost');
    async function* failing() {
      yield* pieces(member.subarray(0, 5000), 1000);
      throw failure;
    }
    await assert.rejects(collect(decompress('gzip', failing(), { ring })), failure);
  });

  test(`${name}: leaving early closes the source`, { skip, timeout: 20_000 }, async () => {
    let closed = false;
    async function* endless() {
      try {
        for (;;) yield* pieces(gzipSync(text), 1 << 20);
      } finally {
        closed = true;
      }
    }
    for await (const bytes of decompress('gzip', endless(), { ring })) {
      assert.ok(bytes.length > 0);
      break;
    }
    assert.ok(closed);
  });

  test(`${name}: abort ends it with the reason`, { skip, timeout: 20_000 }, async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    async function* endless() {
      for (;;) {
        controller.signal.throwIfAborted();
        yield* pieces(gzipSync(text), 1 << 20);
      }
    }
    const reading = (async () => {
      for await (const bytes of decompress('gzip', endless(), { ring, signal: controller.signal })) {
        if (bytes.length > 0) controller.abort(reason);
      }
    })();
    await assert.rejects(reading, reason);
  });
}

test('zstd: a window or a number of frames above the limit is refused by name', async () => {
  const unzstd = (bytes: Buffer, limits: Parameters<typeof createDecompressor>[0]) =>
    collect(createDecompressor(limits)('zstd', pieces(bytes, 4096), { ring }));
  // A window of 128 MiB, a block of 128 KiB that repeats one byte (RFC 8878, 3.1.1).
  const wide = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 0x03, 0, 0x10, 0]);
  assert.equal((await unzstd(wide, { limits: { maxWindowBytes: 2 ** 27 } })).length, 2 ** 17);
  await assert.rejects(unzstd(wide, {}), { code: 'layers.limit', message: /limit maxWindowBytes/ });
  const frames = Buffer.concat(Array.from({ length: 10 }, () => zstdCompressSync(Buffer.from('a'))));
  assert.equal((await unzstd(frames, { limits: { maxFrames: 10 } })).length, 10);
  await assert.rejects(unzstd(frames, { limits: { maxFrames: 9 } }), { message: /limit maxFrames/ });
});

test('zstd: several frames in one piece, cut, garbage', async () => {
  const unzstd = (bytes: Buffer, pieceBytes: number) =>
    collect(createDecompressor()('zstd', pieces(bytes, pieceBytes), { ring }));
  const frame = zstdCompressSync(text);
  const skippable = Buffer.from('502a4d180400000001020304', 'hex');
  const frames = Buffer.concat([frame, skippable, zstdCompressSync(Buffer.from('end')), skippable]);
  for (const pieceBytes of [frames.length, frame.length, 999]) {
    assert.ok(Buffer.concat([text, Buffer.from('end')]).equals(await unzstd(frames, pieceBytes)), `${pieceBytes}`);
  }
  for (const bytes of [
    frame.subarray(0, 5000),
    Buffer.concat([frame, Buffer.from('garbage')]),
    text,
    Buffer.alloc(0),
  ]) {
    await assert.rejects(unzstd(bytes, 100_000), isCorrupt);
  }
});
