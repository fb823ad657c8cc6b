import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LarderError } from '../lib/errors.ts';
import { parseConfig } from './config.ts';
import { DEFAULT_DOCUMENT_LIMITS } from './limits.ts';
import { parseManifest } from './manifest.ts';

const { maxLayers, maxManifestBytes } = DEFAULT_DOCUMENT_LIMITS;

import { layerCompression } from './media-types.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const digest = (hex: string) => `sha256:${hex.repeat(64)}`;
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest('c'), size: 10 };
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest('a'), size: 20 };
const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] };
const entry = { mediaType: MANIFEST, digest: digest('b'), size: 30, platform: { os: 'linux', architecture: 'amd64' } };
const index = { schemaVersion: 2, mediaType: INDEX, manifests: [entry] };

describe('parseManifest', () => {
  it('reads a manifest and an index', () => {
    const parsed = parseManifest(bytes(manifest), MANIFEST);
    assert.ok(parsed.kind === 'manifest');
    assert.deepEqual(parsed.layers, [layer]);
    assert.equal(parsed.text, JSON.stringify(manifest));
    const list = parseManifest(bytes(index), INDEX);
    assert.ok(list.kind === 'index');
    assert.deepEqual(list.manifests, [{ ...entry, kind: 'manifest' }]);
  });

  it('goes by the content where the media type is general or absent', () => {
    const { mediaType: _, ...untyped } = manifest;
    assert.equal(parseManifest(bytes(untyped), undefined).kind, 'manifest');
    assert.equal(parseManifest(bytes(index), 'application/json').kind, 'index');
  });

  it('leaves artifacts out of an index', () => {
    const artifacts = [
      { ...entry, artifactType: 'application/vnd.example' },
      { ...entry, mediaType: 'text/plain' },
    ];
    const parsed = parseManifest(bytes({ ...index, manifests: [...artifacts, entry] }), INDEX);
    assert.ok(parsed.kind === 'index' && parsed.manifests.length === 1);
  });

  const many = (count: number, value: unknown) => Array.from({ length: count }, () => value);
  const refused: readonly { name: string; document: unknown; type?: string; code: string; message?: RegExp }[] = [
    {
      name: 'both readings',
      document: { ...manifest, manifests: [entry] },
      code: 'oci.manifest-invalid',
      message: /both/,
    },
    { name: 'an index with a config', document: { ...index, config }, code: 'oci.manifest-invalid', message: /both/ },
    { name: 'an index in a manifest header', document: index, type: MANIFEST, code: 'oci.manifest-invalid' },
    { name: 'a manifest in an index header', document: manifest, type: INDEX, code: 'oci.manifest-invalid' },
    { name: 'a lie in mediaType', document: { ...manifest, mediaType: INDEX }, code: 'oci.manifest-invalid' },
    { name: 'an unknown own type', document: { ...manifest, mediaType: 'a/b' }, code: 'oci.media-type-unsupported' },
    {
      name: 'schema 1',
      document: { schemaVersion: 1, fsLayers: [] },
      code: 'oci.schema1-unsupported',
      message: /push/,
    },
    {
      name: 'the header of schema 1',
      document: {},
      type: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
      code: 'oci.schema1-unsupported',
    },
    { name: 'no content', document: { schemaVersion: 2 }, code: 'oci.manifest-invalid', message: /config/ },
    { name: 'an array', document: [], code: 'oci.manifest-invalid' },
    {
      name: 'a digest that is a path',
      document: { ...manifest, layers: [{ ...layer, digest: 'sha256:../../../etc/passwd' }] },
      code: 'oci.manifest-invalid',
      message: /layers\.0\.digest/,
    },
    {
      name: 'sha512',
      document: { ...manifest, config: { ...config, digest: `sha512:${'a'.repeat(128)}` } },
      code: 'oci.manifest-invalid',
    },
    {
      name: 'a negative size',
      document: { ...manifest, layers: [{ ...layer, size: -1 }] },
      code: 'oci.manifest-invalid',
    },
    {
      name: 'a fractional size',
      document: { ...manifest, layers: [{ ...layer, size: 0.5 }] },
      code: 'oci.manifest-invalid',
    },
    {
      name: 'an unsafe size',
      document: { ...manifest, layers: [{ ...layer, size: 2 ** 60 }] },
      code: 'oci.manifest-invalid',
    },
    {
      name: 'too many layers',
      document: { ...manifest, layers: many(maxLayers + 1, layer) },
      code: 'oci.limit-exceeded',
      message: /maxLayers/,
    },
    { name: 'too many entries', document: { ...index, manifests: many(1001, entry) }, code: 'oci.limit-exceeded' },
    {
      name: 'an artifact',
      document: { ...manifest, config: { ...config, mediaType: 'application/vnd.oci.empty.v1+json' } },
      code: 'oci.media-type-unsupported',
      message: /artifact/,
    },
    {
      name: 'an encrypted layer',
      document: { ...manifest, layers: [{ ...layer, mediaType: `${layer.mediaType}+encrypted` }] },
      code: 'oci.media-type-unsupported',
      message: /encrypted/,
    },
  ];
  for (const { name, document, type, code, message } of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parseManifest(bytes(document), type), { code, ...(message ? { message } : {}) });
    });
  }

  it('refuses what is too large or not UTF-8', () => {
    assert.throws(() => parseManifest(new Uint8Array(maxManifestBytes + 1), MANIFEST), {
      code: 'oci.limit-exceeded',
    });
    assert.throws(() => parseManifest(Uint8Array.of(0x22, 0xff, 0x22), MANIFEST), { code: 'oci.manifest-invalid' });
  });

  it('throws nothing but LarderError, whatever the bytes', () => {
    const key = fc.constantFrom(
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'manifests',
      '__proto__',
      'digest',
      'size',
    );
    const junk = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, 1, 2, '', MANIFEST, INDEX, digest('a'), layer, config, entry),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(key, tie('node')),
      ),
    })).node;
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), junk.map(bytes)), (input) => {
        try {
          parseManifest(input, undefined);
        } catch (error) {
          assert.ok(error instanceof LarderError, String(error));
        }
      }),
    );
  });
});

describe('documents made to take memory', () => {
  const lists = (count: number) => `[${'[],'.repeat(count)}[]]`;

  it('are refused before they are parsed', () => {
    const many = new TextEncoder().encode(`{"schemaVersion":2,"layers":${lists(200_000)}}`);
    assert.throws(() => parseManifest(many, MANIFEST), { code: 'oci.limit-exceeded', message: /limit maxValues/ });
    assert.throws(() => parseConfig(many, { layerCount: 0 }), { code: 'oci.limit-exceeded' });
  });

  it('are told by their number, not by what is wrong with each part', () => {
    const layers = new TextEncoder().encode(`{"schemaVersion":2,"config":{},"layers":${lists(2000)}}`);
    assert.throws(() => parseManifest(layers, MANIFEST), { message: /limit maxLayers/ });
    const manifests = new TextEncoder().encode(`{"schemaVersion":2,"manifests":${lists(2000)}}`);
    assert.throws(() => parseManifest(manifests, INDEX), { message: /limit maxIndexEntries/ });
    const diffIds = new TextEncoder().encode(`{"rootfs":{"diff_ids":${lists(2000)}}}`);
    assert.throws(() => parseConfig(diffIds, { layerCount: 1 }), { message: /2001 diff_ids, its manifest 1 layers/ });
  });
});

describe('parseConfig', () => {
  const image = {
    os: 'linux',
    architecture: 'arm64',
    variant: 'v8',
    rootfs: { type: 'layers', diff_ids: [digest('d')] },
  };

  it('reads platform and diffIDs and keeps the text', () => {
    const parsed = parseConfig(bytes(image), { layerCount: 1 });
    assert.deepEqual(parsed.platform, { os: 'linux', architecture: 'arm64', variant: 'v8' });
    assert.deepEqual(parsed.diffIds, [digest('d')]);
    assert.equal(parsed.text, JSON.stringify(image));
  });

  it('takes null for no layers', () => {
    assert.deepEqual(
      parseConfig(bytes({ ...image, rootfs: { type: 'layers', diff_ids: null } }), { layerCount: 0 }).diffIds,
      [],
    );
  });

  it('refuses another number of layers, an unknown rootfs and a bad diffID', () => {
    assert.throws(() => parseConfig(bytes(image), { layerCount: 2 }), {
      code: 'oci.config-invalid',
      message: /2 layers/,
    });
    for (const rootfs of [
      { type: 'layers+base', diff_ids: [] },
      { type: 'layers', diff_ids: ['sha256:x'] },
      undefined,
    ]) {
      assert.throws(() => parseConfig(bytes({ ...image, rootfs }), { layerCount: 0 }), { code: 'oci.config-invalid' });
    }
  });
});

describe('layerCompression', () => {
  it('knows the layers of OCI and Docker', () => {
    assert.equal(layerCompression('application/vnd.docker.image.rootfs.diff.tar.gzip'), 'gzip');
    assert.equal(layerCompression('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'), 'gzip');
    assert.equal(layerCompression('application/vnd.oci.image.layer.v1.tar+zstd'), 'zstd');
    assert.equal(layerCompression('application/vnd.oci.image.layer.v1.tar'), 'none');
    assert.throws(() => layerCompression('text/plain'), { code: 'oci.media-type-unsupported' });
  });
});
