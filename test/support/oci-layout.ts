import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Duplex, Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';

export type LayerCompression = 'gzip' | 'zstd' | 'none';
export type Layer = { mediaType: string; digest: string; size: number; diffId: string };
export type Image = { tag: string; layers: readonly Layer[]; config?: Record<string, unknown> };

const MEDIA_TYPES: Record<LayerCompression, string> = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  none: 'application/vnd.oci.image.layer.v1.tar',
};
export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Level 6 is what most registries hold. */
function compressor(compression: LayerCompression): Transform | undefined {
  if (compression === 'gzip') return createGzip({ level: 6, chunkSize: 256 << 10 });
  return compression === 'zstd' ? createZstdCompress() : undefined;
}

/** Hashes and counts what passes through. */
function meter(): { stream: Transform; digest(): string; size(): number } {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      hash.update(chunk);
      size += chunk.length;
      callback(null, chunk);
    },
  });
  return { stream, digest: () => `sha256:${hash.digest('hex')}`, size: () => size };
}

/** Compresses a tar stream, by `pack` if given, into the layout's blobs (image-spec, image-layout.md). */
export async function addLayer(
  layout: string,
  tar: AsyncIterable<Uint8Array>,
  compression: LayerCompression,
  pack: Duplex | undefined = compressor(compression),
): Promise<Layer> {
  const blobs = join(layout, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const temporary = join(blobs, `.layer-${process.pid}-${performance.now()}`);
  const [plain, packed] = [meter(), meter()];
  const stages = pack ? [plain.stream, pack, packed.stream] : [plain.stream, packed.stream];
  await pipeline([Readable.from(tar), ...stages, createWriteStream(temporary)]);
  const digest = packed.digest();
  await rename(temporary, join(blobs, digest.slice('sha256:'.length)));
  return { mediaType: MEDIA_TYPES[compression], digest, size: packed.size(), diffId: plain.digest() };
}

/** Writes configs, manifests and index.json for the images; a layout has one index, so all its images come in one call. */
export async function writeImages(layout: string, images: readonly Image[]): Promise<void> {
  const manifests = await Promise.all(
    images.map(async (image) => {
      const manifest = await addManifest(layout, image);
      return { ...manifest, annotations: { 'org.opencontainers.image.ref.name': image.tag } };
    }),
  );
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

async function addManifest(layout: string, { layers, config = {} }: Image) {
  const document = {
    created: '2025-01-01T00:00:00Z',
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['/bin/sh'], ...config },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
  };
  return addJson(layout, MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: await addJson(layout, CONFIG, document),
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  });
}

async function addJson(layout: string, mediaType: string, value: unknown) {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true });
  await writeFile(join(layout, 'blobs/sha256', hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

type Descriptor = { digest: string; annotations?: Record<string, string> };

export function blobFile(layout: string, digest: string): string {
  return join(layout, 'blobs/sha256', digest.slice('sha256:'.length));
}

/** The manifest of an image of a layout, and its bytes. */
export async function readManifest(
  layout: string,
  tag: string,
): Promise<{ config: Descriptor; layers: Descriptor[]; bytes: Buffer }> {
  const index: { manifests: Descriptor[] } = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  const entry = index.manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag);
  if (!entry) throw new Error(`no image ${tag} in ${layout}`);
  const bytes = await readFile(blobFile(layout, entry.digest));
  return { ...JSON.parse(bytes.toString()), bytes };
}

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
