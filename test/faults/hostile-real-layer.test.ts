/**
 * A layer of Debian packages with bytes changed at random, before and behind the compression, against the real server: each
 * ends Ready and as umoci unpacks it, or Failed with a named reason; nothing outside of the server's folder is touched.
 */
import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { readSnapshot } from '../../src/nodes/index.ts';
import { DEBIAN_MINBASE, debianImages } from '../support/debian-images.ts';
import { addLayer, blobFile, readManifest, writeImages } from '../support/oci-layout.ts';
import { randomNumbers } from '../support/random.ts';
import { buildImage, sha256 } from '../support/registry-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { umociUnpack } from '../support/umoci.ts';
import { packedCase } from './support/corpus.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { type LayerFacts, listingOf, listingOfFolder } from './support/layer-facts.ts';
import { headersOf, mutateBytes, mutateTar } from './support/mutations.ts';
import { startWatchedServer, type WatchedServer } from './support/watched-server.ts';

const SHORT_MS = 5_000;
const END_MS = 60_000;
const MAX_PEAK_BYTES = 256 * 2 ** 20;
/** The registry keeps in memory what it is given. */
const LAYERS_PER_SERVER = 10;
/** What the events call a layer that is refused. */
const NAMED_REASON =
  /the layer (is corrupt|has |exceeds the limit )|the layer's (digest|diffID) is|a hard link to|unknown type|which is not in this layer/;

type Mutant = { tar: Buffer } | { packed: Buffer };
type Outcome = 'equal' | 'refused' | 'refused by umoci, too';

test('a real layer with changed bytes', {
  skip: skipWithout({ root: true, tools: ['strace', 'umoci', 'getfattr', 'debootstrap'] }),
  timeout: 24 * 3_600_000,
}, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const packed = await debianLayer();
  const tar = gunzipSync(packed);
  const headers = headersOf(tar);
  const counts: Record<Outcome, number> = { equal: 0, refused: 0, 'refused by umoci, too': 0 };
  let peakBytes = 0;
  for (let endMs = 0; endMs === 0 || performance.now() < endMs; ) {
    await using registry = await startScriptedRegistry();
    await using server = await startWatchedServer({ LARDER_PLAIN_HTTP_REGISTRIES: registry.host });
    await server.resetPeak();
    if (endMs === 0) endMs = performance.now() + effortMs(SHORT_MS, 1);
    for (let index = 0; index < LAYERS_PER_SERVER && (index < 2 || performance.now() < endMs); index++) {
      // One in four behind the compression: that nearly always ends with a broken stream.
      const mutant =
        index % 4 === 1 ? { packed: mutateBytes(packed, random) } : { tar: mutateTar(tar, random, headers) };
      put(mutant);
      counts[await judge(mutant, await server.create(`${registry.host}/real/n${index}:1`), server)]++;

      function put(one: Mutant): void {
        const repository = `real/n${index}`;
        if ('tar' in one) registry.putImage(repository, buildImage({ layers: [one.tar], compression: 'none' }), '1');
        else packedCase('bomb', '', [{ bytes: one.packed, diffId: sha256(tar) }], 'Ready').put(registry, repository);
      }
    }
    peakBytes = Math.max(peakBytes, await server.peakBytes());
    const { outside } = await server.stop();
    assert.deepEqual(outside, [], `seed ${seed}`);
  }
  t.diagnostic(`seed ${seed}: ${JSON.stringify(counts)}, ${(peakBytes / 2 ** 20).toFixed(0)} MiB at most`);
  assert.ok(peakBytes < MAX_PEAK_BYTES);

  async function judge(mutant: Mutant, id: string, server: WatchedServer): Promise<Outcome> {
    const { Status, Events, SnapshotId } = await server.settled(id, END_MS);
    if (Status === 'Failed') {
      assert.match(Events.map(({ Message }) => Message).join('\n'), NAMED_REASON, `seed ${seed}`);
      return 'refused';
    }
    const theirs = await unpacked('tar' in mutant ? mutant.tar : tar);
    if (!theirs) return 'refused by umoci, too';
    assert.deepEqual(await factsOfSnapshot(server.dataDirectory, SnapshotId), theirs, `seed ${seed}`);
    return 'equal';
  }
});

async function debianLayer(): Promise<Buffer> {
  const layout = await debianImages();
  const { layers } = await readManifest(layout, DEBIAN_MINBASE);
  return readFile(blobFile(layout, layers[0]?.digest ?? ''));
}

/** What umoci makes of the tar; undefined where the kernel stops it, as by a name that the file system does not take. */
async function unpacked(tar: Buffer): Promise<LayerFacts | undefined> {
  const work = await mkdtemp(join(tmpdir(), 'larder-real-'));
  try {
    const layout = join(work, 'layout');
    await writeImages(layout, [{ tag: 'x', layers: [await addLayer(layout, Readable.from([tar]), 'none')] }]);
    const isUnpacked = await umociUnpack(layout, 'x', join(work, 'rootfs')).then(
      () => true,
      () => false,
    );
    return isUnpacked ? await listingOfFolder(join(work, 'rootfs')) : undefined;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function factsOfSnapshot(dataDirectory: string, snapshotId: string): Promise<LayerFacts> {
  const { images } = await readSnapshot(dataDirectory, snapshotId);
  const hex = (images[0]?.layers.at(-1)?.blob ?? '').slice('sha256:'.length);
  const file = await open(join(dataDirectory, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`));
  try {
    return await listingOf(async (position, length) => {
      const bytes = Buffer.alloc(length);
      await file.read(bytes, 0, length, position);
      return bytes;
    });
  } finally {
    await file.close();
  }
}
