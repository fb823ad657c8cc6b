import { createHash } from 'node:crypto';
import { digestOfHex } from '../../../src/lib/digest.ts';
import { buildImage, sha256, type TestImage, toJson } from '../../support/registry-image.ts';
import type { ScriptedRegistry } from '../../support/scripted-registry.ts';
import { directory, file, tarOf } from './corpus-tar.ts';

/** Path → `file=CONTENT`, `directory`, `symlink→TARGET`, … of the uppermost layer that was built, without its root. */
export type LayerListing = Readonly<Record<string, string>>;

/** The rows of the list of attacks by images; each has one at least. */
export const ATTACKS = ['escape', 'owner', 'bomb', 'manifest', 'digest', 'stream', 'oddity'] as const;
export type Attack = (typeof ATTACKS)[number];

/** An image that is not what it should be, or that looks so and is legal. */
export type HostileCase = {
  readonly row: Attack;
  readonly name: string;
  /** Puts the image into the registry as `repository:1`. */
  readonly put: (registry: ScriptedRegistry, repository: string) => void;
  /** What the Warning events must say, or what becomes of it. */
  readonly expect: RegExp | LayerListing | 'Ready';
};

/** The image with a packed layer as it is, whatever its bytes are; `diffId` of what they unpack to. */
export type PackedLayer = {
  bytes: Uint8Array;
  diffId?: string;
  mediaType?: string;
  /** What the manifest says instead of the truth. */
  digest?: string;
  size?: number;
};

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const NOWHERE = digestOfHex('0'.repeat(64));

export function tarCase(
  row: Attack,
  name: string,
  tars: readonly Buffer[],
  expect: HostileCase['expect'],
): HostileCase {
  const image = () => buildImage({ layers: tars, compression: 'none' });
  return { row, name, put: (registry, repository) => registry.putImage(repository, image(), '1'), expect };
}

export function packedCase(
  row: Attack,
  name: string,
  layers: readonly PackedLayer[],
  expect: HostileCase['expect'],
): HostileCase {
  return {
    row,
    name,
    expect,
    put(registry, repository) {
      for (const { bytes } of layers) registry.putBlob(bytes);
      const descriptors = layers.map(
        ({ bytes, mediaType = GZIP, digest = sha256(bytes), size = bytes.byteLength }) => ({
          mediaType,
          digest,
          size,
        }),
      );
      putDocuments(registry, repository, {
        config: { rootfs: { type: 'layers', diff_ids: layers.map(({ diffId = NOWHERE }) => diffId) } },
        manifest: { layers: descriptors },
      });
    },
  };
}

/** A sound image, of which one thing is changed before its documents are written. */
export function documentCase(
  row: Attack,
  name: string,
  change: (documents: SoundDocuments) => Partial<Documents> & { bytes?: Uint8Array; contentType?: string },
  expect: HostileCase['expect'],
): HostileCase {
  return {
    row,
    name,
    expect,
    put(registry, repository) {
      const image = soundImage(name);
      registry.putImage(repository, image, 'sound');
      const sound: SoundDocuments = { config: parse(image.config), manifest: parse(image.manifest) };
      const { bytes, contentType, ...changed } = change(sound);
      if (bytes) {
        registry.putManifest(repository, { bytes, mediaType: contentType ?? MANIFEST }, '1');
        return;
      }
      const { config: _, ...rest } = sound.manifest;
      putDocuments(registry, repository, { config: sound.config, manifest: rest, ...changed }, contentType);
    },
  };
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const CONFIG = 'application/vnd.oci.image.config.v1+json';

// biome-ignore lint/suspicious/noExplicitAny: documents that are broken on purpose
export type Json = Record<string, any>; // oxlint-disable-line typescript/no-explicit-any -- the same
export type Documents = { config: Json | Uint8Array; manifest: Json };
/** As they are before the change. */
export type SoundDocuments = { config: Json; manifest: Json };

export function soundImage(salt: string): TestImage {
  return buildImage({ layers: [tarWith(salt)] });
}

function putDocuments(
  registry: ScriptedRegistry,
  repository: string,
  documents: Documents,
  contentType = MANIFEST,
): void {
  const config =
    documents.config instanceof Uint8Array
      ? documents.config
      : toJson({ os: 'linux', architecture: 'amd64', ...documents.config });
  registry.putBlob(config);
  const manifest = toJson({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: sha256(config), size: config.byteLength },
    ...documents.manifest,
  });
  registry.putManifest(repository, { bytes: manifest, mediaType: contentType }, '1');
}

function parse(bytes: Uint8Array): Json {
  return JSON.parse(Buffer.from(bytes).toString());
}

/** The digest of parts one after the other, the last of them `count` times. */
export function digestOfParts(parts: readonly Uint8Array[], repeated: Uint8Array, count: number): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  for (let index = 0; index < count; index++) hash.update(repeated);
  return `sha256:${hash.digest('hex')}`;
}

function tarWith(salt: string): Buffer {
  // Each image has a layer of its own: none may be fine because another one was.
  return tarOf([directory('sound'), file('sound/salt', salt)]);
}
