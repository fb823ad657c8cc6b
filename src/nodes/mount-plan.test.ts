import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Digest, digestOfHex, hexOf } from '../lib/digest.ts';
import { parseMountInfo } from './mount-info.ts';
import { MAX_OVERLAY_LAYERS, planMount } from './mount-plan.ts';

const digest = (label: string | number) => digestOfHex(createHash('sha256').update(`${label}`).digest('hex'));
const layerFile = (blob: Digest) => `/layers/${hexOf(blob)}.erofs`;
const imageOf = (blobs: Digest[]) => ({
  layers: blobs.map((blob) => ({
    diffId: digest('not the key'),
    blob,
    digest: blob,
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    compressedBytes: 1,
    tarBytes: 1,
    blobBytes: 1,
  })),
});
const plan = (blobs: Digest[]) => planMount(imageOf(blobs), layerFile);

test('the topmost layer stands first', () => {
  const [bottom, top] = [digest('bottom'), digest('top')];
  const { layers, lowers } = plan([bottom, top]);
  assert.deepEqual(lowers, [hexOf(top), hexOf(bottom)]);
  assert.deepEqual(
    layers.map((layer) => layer.file),
    [layerFile(top), layerFile(bottom)],
  );
});

test('none and one are stacked on empty directories', () => {
  assert.deepEqual(plan([]).lowers, [undefined, undefined]);
  assert.deepEqual(plan([digest('only')]).lowers, [hexOf(digest('only')), undefined]);
});

test('a layer that comes twice is stacked where it is topmost', () => {
  const [a, b] = [digest('a'), digest('b')];
  assert.deepEqual(plan([a, b, a]).lowers, [hexOf(a), hexOf(b)]);
});

test('what the kernel can stack is planned, and nothing beyond', () => {
  const length = fc.integer({ min: 0, max: MAX_OVERLAY_LAYERS });
  fc.assert(
    fc.property(length, (count) => {
      const { lowers } = plan(Array.from({ length: count }, (_, place) => digest(place)));
      assert.equal(lowers.length, Math.max(2, count));
    }),
    { numRuns: 20, examples: [[MAX_OVERLAY_LAYERS]] },
  );
  const tooMany = Array.from({ length: MAX_OVERLAY_LAYERS + 1 }, (_, place) => digest(place));
  assert.throws(() => plan(tooMany), { code: 'nodes.too-many-layers' });
});

test('mountinfo is read with and without optional fields', () => {
  const text = [
    '36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 shared:2 - erofs /x\\134y rw,errors=continue',
    '37 35 0:40 / /plain ro - overlay larder-abc ro',
    'not a mount',
    '',
  ].join('\n');
  assert.deepEqual(parseMountInfo(text), [
    { mountPoint: '/a b', type: 'erofs', source: '/x\\y' },
    { mountPoint: '/plain', type: 'overlay', source: 'larder-abc' },
  ]);
});

test('a path that the kernel writes into the mount table is read back', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^\/[ -~\t\n]*$/), (path) => {
      const [entry] = parseMountInfo(`1 2 0:1 / ${escapePath(path)} ro - erofs src ro`);
      assert.equal(entry?.mountPoint, path);
    }),
  );
});

/** As fs/proc_namespace.c writes paths. */
function escapePath(path: string): string {
  return path.replaceAll(/[ \t\n\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
