import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Snapshot } from '../../caches/index.ts';
import { type Digest, digestOfHex } from '../../lib/digest.ts';
import { bigDataFile, LINK_LENGTH, shortLink, storageLayerIds } from './layer-names.ts';
import { standAlone, withRoot } from './layer-roots.ts';
import { planImages } from './plan-images.ts';
import { imageRecord, layerRecord, readImageRecords, readLayerRecords } from './records.ts';
import { retain } from './retain.ts';
import type { StoreImage, StoreLayer } from './store-model.ts';

const digest = (label: string): Digest => digestOfHex(hash('sha256', label, 'hex'));

type Content = { reference: string; layers: string[]; manifest?: string | undefined };

function snapshot(id: string, cache: string, createdAt: string, images: readonly Content[]): Snapshot {
  return {
    id: `s-${id.padEnd(20, '0')}`,
    imageCacheId: cache,
    createdAt,
    images: images.map(({ reference, layers, manifest = `manifest of ${layers.join()}` }) => ({
      reference,
      manifestDigest: digest(manifest),
      ...(manifest === '' ? {} : { manifest, manifestMediaType: 'application/vnd.oci.image.manifest.v1+json' }),
      platform: 'linux/amd64',
      configDigest: digest(layers.join()),
      config: JSON.stringify({ created: '2025-01-02T03:04:05.678901234Z', layers }),
      layers: layers.map((label) => ({
        diffId: digest(label),
        blob: digest(label),
        blobDigest: digest(`bytes ${label}`),
        digest: digest(`packed ${label}`),
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        compressedBytes: 1,
        tarBytes: 2,
        blobBytes: 3,
      })),
    })),
  };
}

const plan = (snapshots: readonly Snapshot[], picks: readonly string[] = []) => planImages(snapshots, picks);
const names = (images: readonly StoreImage[]) => images.flatMap((image) => image.names);

test('ids of layers are those that Podman gives', () => {
  // As podman 4.3.1 wrote them in layers.json after a pull.
  const first = digestOfHex('1b3943e5fb2e2fbbb9d17bf09c3efb2bc21740aa5c390736a0230dcec909f129');
  const second = digestOfHex('cc21226c995171a4d0f4723d943f8c1447ba833b393db6eb5a6fa11262c93303');
  assert.deepEqual(storageLayerIds([first, second]), [
    '1b3943e5fb2e2fbbb9d17bf09c3efb2bc21740aa5c390736a0230dcec909f129',
    '044db4d72b95ae90eff983cff858a45c545b65d31387a3e561c9f0fd3b3adb85',
  ]);
});

test('names of files and links are those that Podman reads', () => {
  assert.equal(bigDataFile('manifest'), 'manifest');
  assert.equal(bigDataFile('sha256:c9f1'), '=c2hhMjU2OmM5ZjE=');
  assert.match(shortLink('a'.repeat(64)), new RegExp(`^[A-Z2-7]{${LINK_LENGTH}}$`));
  assert.equal(shortLink('a'), shortLink('a'));
});

test('names in full; the newest snapshot has the name, the other image its digest', () => {
  const old = snapshot('1', 'imc-1', '2026-01-01T00:00:00Z', [{ reference: 'nginx:1.27', layers: ['a'] }]);
  const recent = snapshot('2', 'imc-2', '2026-01-02T00:00:00Z', [
    { reference: 'docker.io/nginx:1.27', layers: ['b'] },
    { reference: `quay.io/team/app:1@${digest('index')}`, layers: ['c'] },
    { reference: 'localhost:5000/app', layers: [] },
  ]);
  assert.deepEqual(names(plan([old, recent]).images), [
    'docker.io/library/nginx:1.27',
    `quay.io/team/app@${digest('index')}`,
    'localhost:5000/app:latest',
    `docker.io/library/nginx@${digest('manifest of a')}`,
  ]);
});

test('of a cache the newest snapshot counts, unless one is asked for', () => {
  const before = snapshot('1', 'imc-1', '2026-01-01T00:00:00Z', [{ reference: 'a:1', layers: ['a'] }]);
  const now = snapshot('2', 'imc-1', '2026-01-02T00:00:00Z', [{ reference: 'a:1', layers: ['b'] }]);
  const other = snapshot('3', 'imc-2', '2026-01-03T00:00:00Z', [{ reference: 'c:1', layers: ['c'] }]);
  const ids = (picks: readonly string[]) => plan([before, now, other], picks).images.map((image) => image.configDigest);
  assert.deepEqual(ids([]), [digest('c'), digest('b')]);
  assert.deepEqual(ids(['imc-1']), [digest('b')]);
  assert.deepEqual(ids([before.id]), [digest('a')]);
  assert.deepEqual(plan([before], ['imc-9']).problems[0]?.code, 'nodes.cache-missing');
});

test('the same image under two names is one; a snapshot without manifests is named with what to do', () => {
  const both = snapshot('1', 'imc-1', '2026-01-01T00:00:00Z', [
    { reference: 'a:1', layers: ['a'] },
    { reference: 'b:1', layers: ['a'], manifest: 'the same in zstd' },
    { reference: 'c:1', layers: ['c'], manifest: '' },
  ]);
  const { images, problems } = plan([both]);
  assert.deepEqual(names(images), ['docker.io/library/a:1', 'docker.io/library/b:1']);
  assert.equal(images[0]?.manifests.length, 2);
  assert.equal(problems[0]?.code, 'nodes.snapshot-old');
  assert.match(problems[0]?.message ?? '', /larder update imc-1/);
});

test('a blob that comes again in a chain is another mount; the uppermost layer shows the nearest named root', () => {
  const [image] = plan([
    snapshot('1', 'imc-1', '2026-01-01T00:00:00Z', [{ reference: 'a:1', layers: ['base', 'x', 'y', 'x'] }]),
  ]).images;
  assert.ok(image);
  assert.deepEqual(
    image.layers.map((layer) => layer.copy),
    [0, 0, 0, 1],
  );
  const rooted = withRoot(image.layers, (layer) => layer.diffId === digest('base'));
  assert.deepEqual(
    rooted.map((layer) => layer.rootFrom),
    [undefined, undefined, undefined, image.layers[0]?.id],
  );
  assert.deepEqual(
    standAlone(rooted).map(({ id, parent, copy }) => ({ id, parent, copy })),
    [{ id: digest('x').slice('sha256:'.length), parent: undefined, copy: 0 }],
  );
  assert.deepEqual(
    withRoot(image.layers, () => false),
    image.layers,
  );
});

test('records are read as they were written, and what is torn is left out', () => {
  const [image] = plan([
    snapshot('1', 'imc-1', '2026-01-01T00:00:00Z', [{ reference: 'a', layers: ['a', 'b'] }]),
  ]).images;
  assert.ok(image);
  assert.deepEqual(readLayerRecords(JSON.stringify(image.layers.map(layerRecord))), image.layers);
  const [record] = readImageRecords(JSON.stringify([imageRecord(image), { id: 'no hex' }]));
  assert.deepEqual(record, imageRecord(image));
  assert.deepEqual(readLayerRecords('[{"id":'), []);
});

const LABELS = ['a', 'b', 'c', 'd'];
const chains = fc.uniqueArray(fc.array(fc.constantFrom(...LABELS), { minLength: 1, maxLength: 4 }), {
  selector: (chain) => chain.join(),
  maxLength: 5,
});

function contentOf(lists: readonly (readonly string[])[]) {
  const content = lists.map((layers) => ({ reference: `r:${layers.join('')}`, layers: [...layers] }));
  const { images } = plan([snapshot('1', 'imc-1', '2026-01-01T00:00:00Z', content)]);
  const rooted = images.map((image) => ({
    ...image,
    layers: withRoot(image.layers, (layer) => layer.diffId === digest('a')),
  }));
  const layers = new Map<string, StoreLayer>();
  for (const layer of rooted.flatMap((image) => image.layers)) layers.set(layer.id, layer);
  for (const layer of standAlone([...layers.values()])) if (!layers.has(layer.id)) layers.set(layer.id, layer);
  return { images: rooted.map(imageRecord), layers: [...layers.values()] };
}

test('nothing that is wanted, used or in its time of grace goes, everything else does, and chains are whole', () => {
  fc.assert(
    fc.property(chains, chains, fc.nat(9), fc.nat(9), (before, after, uses, age) => {
      const previous = contentOf(before);
      const wanted = contentOf(after);
      const used = previous.layers[uses];
      const retiredAtMs = Object.fromEntries(previous.images.map((image, place) => [image.id, 1000 - age * place]));
      const options = { wanted, previous, nowMs: 1000, graceMs: 10, retiredAtMs };
      const next = retain({ ...options, referenced: new Set(used ? [used.id] : []) });
      const ids = new Set(next.layers.map((layer) => layer.id));
      for (const layer of next.layers) {
        if (layer.parent !== undefined) assert.ok(ids.has(layer.parent));
        if (layer.rootFrom !== undefined) assert.ok(ids.has(layer.diffId.slice('sha256:'.length)));
      }
      if (used) assert.ok(ids.has(used.id));
      for (const image of next.images) assert.ok(ids.has(image.layer ?? ''));
      const kept = new Map(next.images.map((image) => [image.id, image]));
      for (const image of wanted.images) assert.deepEqual(kept.get(image.id)?.names, image.names);
      const wantedIds = new Set(wanted.images.map((image) => image.id));
      for (const image of previous.images.filter((each) => !wantedIds.has(each.id))) {
        const inGrace = 1000 - (retiredAtMs[image.id] ?? 0) < 10;
        const retired = kept.get(image.id);
        assert.equal(retired !== undefined, inGrace || image.layer === used?.id);
        if (!retired) continue;
        assert.equal(retired.names, undefined);
        assert.deepEqual(retired['names-history'], image.names);
      }
      // Once more changes nothing, and when all is over only what is wanted remains.
      const again = retain({
        ...options,
        previous: next,
        retiredAtMs: next.retiredAtMs,
        referenced: new Set(used ? [used.id] : []),
      });
      assert.deepEqual(again, next);
      const later = retain({ ...options, previous: next, nowMs: 9999, referenced: new Set() });
      assert.deepEqual(later.images, wanted.images);
    }),
  );
});
