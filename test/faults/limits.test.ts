/** Each limit of images that is hit makes the cache Failed, with an event that names it; the next cache is none the worse. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { LIMIT_GROUPS } from '../../src/server/limit-table.ts';
import { freePort } from '../support/free-port.ts';
import { buildImage, buildIndex, INDEX_MEDIA_TYPE, sha256 } from '../support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { type TarEntry, writeTar } from '../support/tar-writer.ts';
import { packedCase } from './support/corpus.ts';
import { startService } from './support/service.ts';
import { createTally } from './support/tally.ts';

const ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
const HOLED = Buffer.alloc(512, 'x');

let registry: ScriptedRegistry;
/** Takes connections and says nothing, not even of TLS. */
let mute: Server;
let mutePort: number;
const muted: Socket[] = [];

const entries: TarEntry[] = [
  { name: './', type: 'directory' },
  { name: 'a/', type: 'directory' },
  { name: 'a/b/', type: 'directory' },
  { name: 'a/b/c/', type: 'directory' },
  {
    name: 'a/b/c/a-name-of-some-length',
    type: 'file',
    content: Buffer.alloc(40_000),
    xattrs: { 'user.a': Buffer.alloc(200), 'user.b': Buffer.alloc(200) },
  },
  { name: 'link', type: 'symlink', linkName: 'x'.repeat(150) },
  { name: 'holes', type: 'file', sparse: { size: 9000, parts: [{ offset: 4608, data: HOLED }], format: 'pax-1.0' } },
];
/** Directories that only the layer below names, and a symlink to a symlink on the way. */
const leaning: TarEntry[] = [
  { name: 'a/b/c/another', type: 'file', content: Buffer.from('x') },
  { name: 'one', type: 'symlink', linkName: 'two' },
  { name: 'two', type: 'symlink', linkName: 'a' },
  { name: 'one/more', type: 'file', content: Buffer.from('x') },
];
const tarOf = (list: readonly TarEntry[]) => Buffer.concat([...writeTar(list)]);
const tar = tarOf(entries);
const image = buildImage({ layers: [tar, tarOf(leaning)] });
/** Two frames, and zeros behind the end of the tar. */
const padded = Buffer.concat([tar, Buffer.alloc(5000)]);
const frames = Buffer.concat([zstdCompressSync(padded.subarray(0, 700)), zstdCompressSync(padded.subarray(700))]);

before(async () => {
  registry = await startScriptedRegistry();
  registry.putImage('team/app', image, '1');
  const index = buildIndex([
    image.descriptor,
    { ...image.descriptor, platform: { os: 'linux', architecture: 's390x' } },
  ]);
  registry.putManifest('team/app', { bytes: index, mediaType: INDEX_MEDIA_TYPE }, 'index');
  registry.script('away', (_, n) => (n < 3 ? { status: 307, headers: { location: `/v2/away/${n}` } } : undefined));
  registry.script('slow', () => ({ silent: true }));
  registry.putManifest('team/app', { bytes: buildIndex([indexEntry(index)]), mediaType: INDEX_MEDIA_TYPE }, 'nested');
  packedCase('stream', 'two frames', [{ bytes: frames, diffId: sha256(padded), mediaType: ZSTD }], 'Ready').put(
    registry,
    'zstd/app',
  );
  for (const name of ['stall/app', 'drip/app']) registry.putImage(name, image, '1');
  registry.script('stall/app/blobs', () => ({ stallAfter: 100 }));
  registry.script('drip/app/blobs', () => ({ drip: { bytes: 10, pauseMs: 20 } }));
  mutePort = await freePort();
  mute = createServer((socket) => void muted.push(socket.on('error', () => undefined))).listen(mutePort, '127.0.0.1');
  await once(mute, 'listening');
});
after(async () => {
  await registry[Symbol.asyncDispose]();
  for (const socket of muted) socket.destroy();
  mute.close();
});

const indexEntry = (index: Uint8Array) => ({
  mediaType: INDEX_MEDIA_TYPE,
  digest: sha256(index),
  size: index.byteLength,
});

const env = () => ({ LARDER_PLAIN_HTTP_REGISTRIES: registry.host });
const tally = createTally('limits hit and named');

/** A limit that the image or registry hits, and what else has to be set for it. */
const ROWS: readonly (readonly [limit: string, tag?: string, more?: string[]])[] = [
  ['maxCompressedBytes=100'],
  ['maxTarBytes=10000'],
  ['maxRatio=2', 'team/app:1', ['ratioFloorBytes=1']],
  ['maxEntries=3'],
  ['maxDirectories=3'],
  ['maxExtensionBytes=600'],
  ['maxValues=5'],
  ['maxDepth=2'],
  ['maxLookups=2'],
  ['maxLowerLookups=1'],
  ['maxSymlinks=1'],
  ['maxPathBytes=100'],
  ['maxNameBytes=20'],
  ['maxXattrs=1'],
  ['maxXattrBytes=300'],
  ['maxXattrValueBytes=100'],
  ['maxHeaderBytes=300'],
  ['maxPaxRecords=1'],
  ['maxSparseOverheadBytes=1'],
  ['maxTrailingBytes=1000', 'zstd/app:1'],
  ['maxWindowBytes=1KiB', 'zstd/app:1'],
  ['maxFrames=1', 'zstd/app:1'],
  ['maxMetadataBytes=200'],
  ['maxFileBytes=10000'],
  ['maxManifestBytes=100'],
  ['maxConfigBytes=100'],
  ['maxLayers=1'],
  ['maxIndexEntries=1', 'team/app:index'],
  ['maxIndexDepth=1', 'team/app:nested'],
  ['maxRedirects=2', 'away/app:1'],
  ['headersMs=100', 'slow/app:1', ['maxAttempts=1']],
  ['documentMs=100', 'slow/app:1', ['maxAttempts=1']],
  ['connectMs=100', 'mute/app:1', ['maxAttempts=1']],
  ['idleMs=100', 'stall/app:1', ['maxAttempts=1']],
  ['layerMs=100', 'drip/app:1'],
  ['slowMinBytes=1MiB', 'drip/app:1', ['slowWindowMs=100', 'maxAttempts=1']],
];

/** These say how, and refuse nothing by themselves. */
const NO_ROW = ['ratioFloorBytes', 'slowWindowMs', 'maxAttempts', 'maxRetryDelayMs'];

test('every limit of images and registries has a row', () => {
  const { 'One layer': layer, 'Manifest, index and config': documents, Registries: registries } = LIMIT_GROUPS;
  const names = Object.keys({ ...layer, ...documents, ...registries });
  const rows = ROWS.map(([limit]) => limit.replace(/=.*/, ''));
  assert.deepEqual([...rows, ...NO_ROW].toSorted(), names.toSorted());
});

for (const [limit, tag = 'team/app:1', more = []] of ROWS) {
  test(`${limit} of ${tag}`, async () => {
    await using service = await startService({ env: env(), limits: [limit, ...more] });
    const host = tag.startsWith('mute/') ? `127.0.0.1:${mutePort}` : registry.host;
    const { Status, Events } = await service.settled(await service.create(`${host}/${tag}`));
    const told = Events.map(({ Message }) => Message).join('\n');
    const [name = ''] = limit.split('=');
    assert.equal(Status, 'Failed', told);
    assert.match(told, new RegExp(`limit ${name}\\b`));
    tally('limits hit and named');
  });
}

test('with the limits as they are, the image is fine', async () => {
  await using service = await startService({ env: env() });
  const { Status, Events } = await service.settled(await service.create(`${registry.host}/team/app:nested`));
  assert.equal(Status, 'Ready', JSON.stringify(Events));
});
