import { buildImage, buildIndex, INDEX_MEDIA_TYPE, sha256, toJson } from '../../support/registry-image.ts';
import { CONFIG, documentCase, type HostileCase, type Json, MANIFEST, soundImage } from './corpus.ts';

const INVALID = /the manifest is not valid|the index is not valid/;
const NO_DIGEST = /must be sha256: and 64 lower-case hex digits/;
const HEX = 'a'.repeat(64);

type Change = Parameters<typeof documentCase>[2];
const confusion = (name: string, change: Change, expect: HostileCase['expect']) =>
  documentCase('manifest', name, change, expect);
const digest = (name: string, change: Change, expect: HostileCase['expect'] = NO_DIGEST) =>
  documentCase('digest', name, change, expect);
const text = (value: string) => Buffer.from(value);

const withLayer = (manifest: Json, change: Json): Json => ({
  ...manifest,
  layers: [{ ...manifest.layers[0], ...change }],
});

/** Documents that two readers could take for two things, that lie, or that are too much. */
export const CONFUSION: readonly HostileCase[] = [
  confusion(
    'manifests and layers in one (2021-41190)',
    ({ manifest }) => ({ manifest: { ...manifest, manifests: [] } }),
    /both "manifests" and "layers"/,
  ),
  confusion('an index called a manifest', () => ({ bytes: buildIndex([]), contentType: MANIFEST }), INVALID),
  confusion(
    'a manifest called an index',
    ({ manifest }) => ({ bytes: toJson(manifest), contentType: INDEX_MEDIA_TYPE }),
    INVALID,
  ),
  confusion(
    'a mediaType of its own that contradicts',
    ({ manifest }) => ({ manifest: { ...manifest, mediaType: INDEX_MEDIA_TYPE } }),
    INVALID,
  ),
  confusion(
    'an unknown mediaType',
    ({ manifest }) => ({ manifest: { ...manifest, mediaType: 'text/html' } }),
    /text\/html/,
  ),
  confusion(
    'mediaType twice (the last counts)',
    ({ manifest }) => ({ bytes: text(JSON.stringify(manifest).replace('{', '{"mediaType":"text/html",')) }),
    'Ready',
  ),
  confusion(
    'layers twice, the first with a path',
    ({ manifest }) => ({ bytes: text(JSON.stringify(manifest).replace('{', '{"layers":[{"digest":"../../x"}],')) }),
    'Ready',
  ),
  confusion(
    'layers twice, the last with a path',
    ({ manifest }) => ({
      bytes: text(
        JSON.stringify(manifest).replace(/\}$/, ',"layers":[{"mediaType":"x","size":1,"digest":"../../x"}]}'),
      ),
    }),
    NO_DIGEST,
  ),
  confusion('Manifests in another case', ({ manifest }) => ({ manifest: { ...manifest, Manifests: [] } }), 'Ready'),
  confusion(
    '__proto__ in the document',
    ({ manifest }) => ({ bytes: text(JSON.stringify(manifest).replace('{', '{"__proto__":{"manifests":[]},')) }),
    'Ready',
  ),
  confusion(
    'schema 1',
    () => ({ bytes: toJson({ schemaVersion: 1, name: 'a', fsLayers: [] }), contentType: 'application/json' }),
    /schema 1/,
  ),
  confusion('schema 3', ({ manifest }) => ({ manifest: { ...manifest, schemaVersion: 3 } }), INVALID),
  confusion('a list in place of a document', () => ({ bytes: text('[]') }), INVALID),
  confusion('null', () => ({ bytes: text('null') }), INVALID),
  confusion('nothing', () => ({ bytes: text('') }), /not JSON/),
  confusion('not UTF-8', () => ({ bytes: Buffer.from([0x7b, 0xff, 0x7d]) }), /not JSON in UTF-8/),
  confusion('JSON cut in the middle', ({ manifest }) => ({ bytes: toJson(manifest).subarray(0, 100) }), /not JSON/),
  confusion(
    'JSON of 100,000 levels',
    () => ({ bytes: text(`{"schemaVersion":2,"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`) }),
    /not JSON|not valid/,
  ),
  confusion(
    'a manifest of 5 MB',
    ({ manifest }) => ({ manifest: { ...manifest, annotations: { a: 'x'.repeat(5_000_000) } } }),
    /limit maxManifestBytes/,
  ),
  confusion(
    'a manifest of 4 MB of empty lists',
    () => ({ bytes: text(`{"schemaVersion":2,"layers":[${'[],'.repeat(1_300_000)}[]]}`) }),
    /limit maxValues/,
  ),
  confusion(
    'a config of 8 MB of empty lists',
    ({ config }) => ({
      config: text(
        JSON.stringify({ os: 'linux', architecture: 'amd64', ...config, a: [] }).replace(
          '"a":[]',
          `"a":[${'[],'.repeat(2_600_000)}[]]`,
        ),
      ),
    }),
    /limit maxValues/,
  ),
  confusion(
    'a config of 9 MB',
    ({ config }) => ({ config: { ...config, a: 'x'.repeat(9_000_000) } }),
    /limit maxConfigBytes/,
  ),
  confusion(
    '1,001 layers',
    ({ manifest }) => ({ manifest: { ...manifest, layers: Array(1001).fill(manifest.layers[0]) } }),
    /limit maxLayers/,
  ),
  confusion(
    'an index of 1,001 entries',
    () => ({ bytes: buildIndex(Array(1001).fill(soundImage('a').descriptor)), contentType: INDEX_MEDIA_TYPE }),
    /limit maxIndexEntries/,
  ),
  confusion(
    'an index with nothing for this machine',
    () => ({
      bytes: buildIndex([{ ...soundImage('a').descriptor, platform: { os: 'plan9', architecture: 'mips' } }]),
      contentType: INDEX_MEDIA_TYPE,
    }),
    /linux\/amd64/,
  ),
  confusion(
    'an artifact',
    ({ manifest }) => ({
      manifest: {
        ...manifest,
        config: { ...manifest.config, mediaType: 'application/vnd.oci.empty.v1+json' },
      },
    }),
    /artifact/,
  ),
  confusion(
    'a layer that is text',
    ({ manifest }) => ({ manifest: withLayer(manifest, { mediaType: 'text/plain' }) }),
    /not an image layer/,
  ),
  confusion(
    'an encrypted layer',
    ({ manifest }) => ({
      manifest: withLayer(manifest, { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted' }),
    }),
    /encrypted/,
  ),
  confusion(
    'gzip called zstd',
    ({ manifest }) => ({ manifest: withLayer(manifest, { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' }) }),
    /no sound zstd stream/,
  ),
  confusion(
    'gzip called a plain tar',
    ({ manifest }) => ({ manifest: withLayer(manifest, { mediaType: 'application/vnd.oci.image.layer.v1.tar' }) }),
    /diffID|no sound tar/,
  ),
  confusion(
    'two diff_ids for one layer',
    ({ config }) => ({
      config: { ...config, rootfs: { type: 'layers', diff_ids: [`sha256:${HEX}`, `sha256:${HEX}`] } },
    }),
    /2 diff_ids, its manifest 1 layers/,
  ),
  confusion('no rootfs', () => ({ config: { rootfs: undefined } }), /the image config is not valid: rootfs/),
  confusion(
    'another diff_id',
    ({ config }) => ({ config: { ...config, rootfs: { type: 'layers', diff_ids: [`sha256:${HEX}`] } } }),
    /diffID is sha256:/,
  ),
  confusion('a config that is a list', () => ({ config: text('[]') }), /the image config is not valid/),
  confusion(
    'a layer that is smaller than said',
    ({ manifest }) => ({ manifest: withLayer(manifest, { size: 1_000_000 }) }),
    /should have 1000000 bytes/,
  ),
  confusion(
    'a layer that is larger than said',
    ({ manifest }) => ({ manifest: withLayer(manifest, { size: 10 }) }),
    /should have 10 bytes|more than the 10 bytes/,
  ),
  confusion(
    'a layer of 2^60 bytes',
    ({ manifest }) => ({ manifest: withLayer(manifest, { size: 2 ** 60 }) }),
    /layers\.0\.size|size/,
  ),
  confusion(
    'a layer of 100 TiB',
    ({ manifest }) => ({ manifest: withLayer(manifest, { size: 100 * 2 ** 40 }) }),
    /maxCompressedBytes|should have/,
  ),
  confusion(
    'a layer of −1 bytes',
    ({ manifest }) => ({ manifest: withLayer(manifest, { size: -1 }) }),
    /layers\.0\.size/,
  ),
  confusion(
    'a layer of half a byte',
    ({ manifest }) => ({ manifest: withLayer(manifest, { size: 0.5 }) }),
    /layers\.0\.size/,
  ),
  confusion(
    'a config that is larger than said',
    ({ manifest }) => ({ manifest: { ...manifest, config: { ...manifest.config, size: 3 } } }),
    /should have 3 bytes/,
  ),
  confusion(
    'a config of another digest',
    ({ manifest }) => ({
      manifest: {
        ...manifest,
        config: {
          mediaType: CONFIG,
          digest: manifest.layers[0].digest,
          size: manifest.layers[0].size,
        },
      },
    }),
    /image config is not JSON|not valid/,
  ),
  ...nestedIndexes(),
];

/** Digests that are paths, or of algorithms that nobody checks. */
export const DIGESTS: readonly HostileCase[] = [
  ...[
    ['a path', '../../../../etc/passwd'],
    ['a path behind the algorithm', `sha256:../../../${'a'.repeat(55)}`],
    ['a path in a sound length', `sha256:/../${'a'.repeat(60)}`],
    ['upper case', `sha256:${'A'.repeat(64)}`],
    ['63 digits', `sha256:${'a'.repeat(63)}`],
    ['a newline at the end', `sha256:${HEX}\n`],
    ['a query', `sha256:${HEX}?x=y`],
    ['sha512', `sha512:${HEX}${HEX}`],
    ['md5', `md5:${'a'.repeat(32)}`],
    ['an algorithm with a slash', `sha256/../../x:${HEX}`],
    ['nothing', ''],
  ].map(([name, value]) =>
    digest(`a layer's digest: ${name}`, ({ manifest }) => ({ manifest: withLayer(manifest, { digest: value }) })),
  ),
  digest('a layer’s digest is a number', ({ manifest }) => ({ manifest: withLayer(manifest, { digest: 7 }) })),
  digest('a config’s digest is a path', ({ manifest }) => ({
    bytes: toJson({ ...manifest, config: { ...manifest.config, digest: '../../x' } }),
  })),
  digest('a diff_id is a path', ({ config }) => ({
    config: { ...config, rootfs: { type: 'layers', diff_ids: ['../../etc/passwd'] } },
  })),
  digest('an index entry’s digest is a path', () => ({
    bytes: buildIndex([{ ...soundImage('a').descriptor, digest: '../x' }]),
    contentType: INDEX_MEDIA_TYPE,
  })),
  digest(
    'a layer that is another',
    ({ manifest }) => ({ manifest: withLayer(manifest, { digest: `sha256:${HEX}` }) }),
    /404|not found|not there|has no/i,
  ),
];

function nestedIndexes(): HostileCase[] {
  const put =
    (depth: number): HostileCase['put'] =>
    (registry, repository) => {
      const image = soundImage(`nested ${depth}`);
      registry.putImage(repository, image);
      let entry: Json = image.descriptor;
      for (let level = 0; level < depth; level++) {
        const bytes = buildIndex([entry]);
        registry.putManifest(repository, { bytes, mediaType: INDEX_MEDIA_TYPE }, '1');
        entry = { mediaType: INDEX_MEDIA_TYPE, digest: sha256(bytes), size: bytes.byteLength };
      }
    };
  return [
    { row: 'manifest', name: 'an index in an index', put: put(2), expect: 'Ready' },
    { row: 'manifest', name: 'three indexes in each other', put: put(3), expect: /limit maxIndexDepth/ },
    {
      row: 'manifest',
      name: 'an index that calls a manifest an index',
      put(registry, repository) {
        const image = buildImage({ layers: [] });
        registry.putImage(repository, image);
        const bytes = buildIndex([{ ...image.descriptor, mediaType: INDEX_MEDIA_TYPE }]);
        registry.putManifest(repository, { bytes, mediaType: INDEX_MEDIA_TYPE }, '1');
      },
      expect: /the index calls/,
    },
    {
      row: 'manifest',
      name: 'an index whose entry has another size',
      put(registry, repository) {
        const image = buildImage({ layers: [] });
        registry.putImage(repository, image);
        const bytes = buildIndex([{ ...image.descriptor, size: 12 }]);
        registry.putManifest(repository, { bytes, mediaType: INDEX_MEDIA_TYPE }, '1');
      },
      expect: /should have 12 bytes/,
    },
    {
      row: 'manifest',
      name: 'a registry whose manifest changes under its digest',
      put(registry, repository) {
        const image = buildImage({ layers: [] });
        const other = buildImage({ layers: [], config: { author: 'somebody else' } });
        registry.putImage(repository, other);
        const bytes = buildIndex([{ ...image.descriptor, size: other.descriptor.size }]);
        registry.putManifest(repository, { bytes, mediaType: INDEX_MEDIA_TYPE }, '1');
        registry.script(`${repository}/manifests/${image.manifestDigest}`, () => ({
          body: other.manifest,
          headers: { 'content-type': MANIFEST },
        }));
      },
      expect: /the digest of manifest/,
    },
  ];
}
