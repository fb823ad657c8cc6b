/**
 * Sound layers with bytes changed at random, before and behind the compression: the conversion ends in time, with a blob that
 * can be read to its last byte or with a LarderError. LARDER_FAULTS_SEED repeats a run, LARDER_FAULTS_HOURS lengthens it.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Compression, convertLayer, createDecompressor } from '../../src/layers/index.ts';
import { describeBlob, memorySink, pieces, readFrom } from '../../src/layers/testing/memory.ts';
import { LarderError } from '../../src/lib/errors.ts';
import { addLayer, writeImages } from '../support/oci-layout.ts';
import { directory, file, firstLayer, secondLayer, sparseFiles, thirdLayer } from '../support/oddities-layers.ts';
import { pick, randomNumbers } from '../support/random.ts';
import { sha256 } from '../support/registry-image.ts';
import { requireRoot, requireTools } from '../support/requirements.ts';
import { writeTar } from '../support/tar-writer.ts';
import { umociUnpack } from '../support/umoci.ts';
import { directory as dir, entryBytes, hardLink, file as plain, symlink, tarOf } from './support/corpus-tar.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { listingOf, listingOfFolder } from './support/layer-facts.ts';
import { mutateBytes, mutateTar } from './support/mutations.ts';

/** No layer here has more than two megabytes. */
const MAX_CONVERT_MS = 20_000;
const TESTS = 2;
const SHORT_MS = 3_000;
/** Mutations that umoci looks at, too; each takes it a tenth of a second. */
const UMOCI_SAMPLE = effortMs(0, 1) > 0 ? 1000 : 10;

/** Few entries, so that a change hits a header often, and files of some size. */
const SMALL = tarOf([
  dir('d', { pax: { mtime: '1.5', 'SCHILY.xattr.user.a': 'b' } }),
  plain('d/f', 'x'.repeat(700), { gnuLongName: `d/${'long/'.repeat(30)}f` }),
  hardLink('d/h', 'd/f'),
  symlink('s', 'd'),
  plain('s/x', 'x'),
  plain('.wh.q', ''),
  plain('sparse', 'dd', {
    pax: { 'GNU.sparse.size': '9000', 'GNU.sparse.numblocks': '1', 'GNU.sparse.map': '8000,2' },
  }),
]);
const SEEDS: readonly Buffer[] = [
  SMALL,
  ...[firstLayer(), secondLayer(), thirdLayer(), [directory('./'), ...sparseFiles('gnu')], [file('a')]].map((entries) =>
    Buffer.concat([...writeTar(entries)]),
  ),
];

type Packed = { compression: Compression; bytes: Buffer; diffId: string };

async function convert({ compression, bytes, diffId }: Packed): Promise<Buffer | LarderError> {
  const sink = memorySink();
  try {
    await convertLayer(pieces(bytes, 64 * 1024), {
      compression,
      expectedDigest: sha256(bytes),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a digest that was just made
      expectedDiffId: diffId as ReturnType<typeof sha256>,
      sink,
      decompressor: createDecompressor(),
      signal: AbortSignal.timeout(MAX_CONVERT_MS),
    });
    return sink.blob();
  } catch (error) {
    if (error instanceof LarderError) return error;
    throw error;
  }
}

for (const compression of ['none', 'gzip', 'zstd'] as const) {
  test(`layers with changed bytes, ${compression}`, async (t) => {
    const seed = faultSeed();
    const random = randomNumbers(seed);
    const endMs = performance.now() + effortMs(SHORT_MS, 3 * TESTS);
    const counts = { sound: 0, refused: 0 };
    const codes = new Set<string>();
    while (performance.now() < endMs) {
      const tar = pick(SEEDS, random);
      const packed = compression === 'none' ? mutateTar(tar, random) : mutateBytes(pack(tar, compression), random);
      const diffId = compression === 'none' ? sha256(packed) : sha256(tar);
      const startedMs = performance.now();
      const result = await convert({ compression, bytes: packed, diffId }).catch((error: unknown) =>
        assert.fail(`seed ${seed}, after ${counts.sound + counts.refused}: ${String(error)}`),
      );
      const ms = performance.now() - startedMs;
      assert.ok(ms < MAX_CONVERT_MS, `seed ${seed}: ${ms} ms`);
      if (result instanceof LarderError) {
        counts.refused++;
        codes.add(result.code);
        assert.match(result.code, /^layers\./, `seed ${seed}: ${result.message}`);
      } else {
        counts.sound++;
        // Compressed bytes that changed and still give the same tar are right; of a tar that changed, all must be readable.
        if (tar === SMALL) await describeBlob(result);
      }
    }
    t.diagnostic(`seed ${seed}: ${JSON.stringify(counts)}, ${[...codes].toSorted().join(' ')}`);
    assert.ok(counts.refused > 10, 'some are refused');
  });
}

const packed = new Map<string, Buffer>();
function pack(tar: Buffer, compression: 'gzip' | 'zstd'): Buffer {
  const key = `${compression} ${createHash('sha1').update(tar).digest('hex')}`;
  const known = packed.get(key) ?? (compression === 'gzip' ? gzipSync(tar) : zstdCompressSync(tar));
  packed.set(key, known);
  return known;
}

test('what is taken of changed layers equals what umoci makes of them', { timeout: 600_000 }, async (t) => {
  if (!requireRoot(t) || !requireTools(t, ['umoci', 'getfattr'])) return;
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const work = await mkdtemp(join(tmpdir(), 'larder-mutations-'));
  try {
    let compared = 0;
    let refusedByUmoci = 0;
    for (let index = 0; compared + refusedByUmoci < UMOCI_SAMPLE && index < 100 * UMOCI_SAMPLE; index++) {
      const tar = mutateTar(CONTENT, random);
      const blob = await convert({ compression: 'none', bytes: tar, diffId: sha256(tar) });
      if (blob instanceof LarderError || tar.equals(CONTENT)) continue;
      const layout = join(work, String(index));
      const layer = await addLayer(layout, Readable.from([tar]), 'none');
      await writeImages(layout, [{ tag: 'x', layers: [layer] }]);
      const unpacked = await umociUnpack(layout, 'x', join(work, 'rootfs')).then(
        () => true,
        () => false,
      );
      // It stops where the kernel refuses, such as a name that this file system does not take.
      if (!unpacked) {
        refusedByUmoci++;
        continue;
      }
      const [ours, theirs] = [await listingOf(readFrom(blob)), await listingOfFolder(join(work, 'rootfs'))];
      assert.deepEqual(ours, theirs, `seed ${seed}, mutation ${index}`);
      compared++;
    }
    t.diagnostic(`seed ${seed}: ${compared} equal, ${refusedByUmoci} that umoci refuses`);
    assert.ok(compared > 0);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
});

/** Without what an overlay shows otherwise: whiteouts, and directories that no entry names. */
const CONTENT = Buffer.concat([
  entryBytes(dir('d')),
  entryBytes(dir('d/e')),
  entryBytes(plain('d/e/f', 'x'.repeat(3000), { uid: 7, gid: 8, mode: 0o4750 })),
  entryBytes(hardLink('d/h', 'd/e/f')),
  entryBytes(symlink('s', 'd')),
  entryBytes(plain('s/x', 'y'.repeat(5000))),
  tarOf([plain('last')]),
]);
