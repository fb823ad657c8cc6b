/** Each limit of images that is hit makes the cache Failed, with an event that names it; the next cache is none the worse. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildImage, buildIndex, INDEX_MEDIA_TYPE } from '../support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { type TarEntry, writeTar } from '../support/tar-writer.ts';
import { startService } from './support/service.ts';
import { createTally } from './support/tally.ts';

let registry: ScriptedRegistry;

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
];
const tar = Buffer.concat([...writeTar(entries)]);
const image = buildImage({ layers: [tar, Buffer.concat([...writeTar(entries.slice(0, 2))])] });

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
});
after(() => registry[Symbol.asyncDispose]());

const env = () => ({ LARDER_PLAIN_HTTP_REGISTRIES: registry.host });
const tally = createTally('limits hit and named');

for (const [limit, tag = 'team/app:1', more = []] of [
  ['maxCompressedBytes=100'],
  ['maxTarBytes=10000'],
  ['maxRatio=2', 'team/app:1', ['ratioFloorBytes=1']],
  ['maxEntries=3'],
  ['maxDirectories=3'],
  ['maxExtensionBytes=600'],
  ['maxValues=5'],
  ['maxDepth=2'],
  ['maxLookups=2'],
  ['maxPathBytes=100'],
  ['maxNameBytes=20'],
  ['maxXattrs=1'],
  ['maxXattrBytes=300'],
  ['maxHeaderBytes=300'],
  ['maxMetadataBytes=200'],
  ['maxFileBytes=10000'],
  ['maxManifestBytes=100'],
  ['maxConfigBytes=100'],
  ['maxLayers=1'],
  ['maxIndexEntries=1', 'team/app:index'],
  ['maxRedirects=2', 'away/app:1'],
  ['headersMs=100', 'slow/app:1', ['maxAttempts=1']],
  ['documentMs=100', 'slow/app:1', ['maxAttempts=1']],
] as readonly (readonly [string, string?, string[]?])[]) {
  test(`${limit} of ${tag}`, async () => {
    await using service = await startService({ env: env(), limits: [limit, ...more] });
    const { Status, Events } = await service.settled(await service.create(`${registry.host}/${tag}`));
    const told = Events.map(({ Message }) => Message).join('\n');
    const [name = ''] = limit.split('=');
    assert.equal(Status, 'Failed', told);
    assert.match(told, new RegExp(`limit ${name}\\b`));
    tally('limits hit and named');
  });
}

test('with the limits as they are, the image is fine', async () => {
  await using service = await startService({ env: env() });
  const { Status, Events } = await service.settled(await service.create(`${registry.host}/team/app:index`));
  assert.equal(Status, 'Ready', JSON.stringify(Events));
});
