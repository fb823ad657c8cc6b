import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { arch } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { LarderError } from '../lib/errors.ts';
import { hostPlatform } from '../oci/index.ts';
import { type TarEntry, writeTar } from './tar.ts';

const FASTEST_ZSTD = { [constants.ZSTD_c_compressionLevel]: 1 };
const NODE_PATH = '/usr/local/bin/node';
const SCRIPT_PATH = '/hello.js';
const SCRIPT = `const fs = require('node:fs');
console.log('Hello from inside the image: node ' + process.version + ' on ' + process.platform + '/' + process.arch);
console.log('The root directory holds: ' + fs.readdirSync('/').join(' '));
try {
  fs.writeFileSync('/proof', '');
} catch (error) {
  console.log('Writing is refused: ' + error.code);
}
`;

/** A document or layer as a registry serves it. */
export type RegistryBlob = { digest: string; bytes: number; mediaType: string; path?: string; content?: Buffer };

export type AssembledImage = { manifest: RegistryBlob; blobs: RegistryBlob[] };

/**
 * Makes a real image of what this process runs on, in two layers: the shared libraries with their loader, and Node itself
 * with a script. The layers are written to `folder`.
 */
export async function assembleImage(folder: string, signal: AbortSignal): Promise<AssembledImage> {
  const libraries = sharedLibraries();
  const libraryLayer = await withDirectories(await Promise.all(libraries.map((path) => fileEntry(path, path))), [
    'proc',
    'tmp',
  ]);
  const script = Buffer.from(SCRIPT);
  const nodeLayer = await withDirectories([
    await fileEntry(process.execPath, NODE_PATH),
    {
      path: SCRIPT_PATH.slice(1),
      mode: 0o644,
      content: {
        bytes: script.length,
        read: async function* () {
          yield script;
        },
      },
    },
  ]);
  const layers = [
    await packLayer(libraryLayer, { path: join(folder, 'libraries'), compression: 'gzip' }, signal),
    // The large one takes zstd a fraction of gzip's time.
    await packLayer(nodeLayer, { path: join(folder, 'node'), compression: 'zstd' }, signal),
  ];
  const { os, architecture, variant } = hostPlatform(arch(), process.platform);
  const config = jsonBlob('application/vnd.oci.image.config.v1+json', {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    config: {
      Entrypoint: [NODE_PATH, SCRIPT_PATH],
      // The loader's own list of folders differs between distributions.
      Env: [`LD_LIBRARY_PATH=${[...new Set(libraries.map((path) => dirname(path)))].join(':')}`],
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
  });
  const manifest = jsonBlob('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(config),
    layers: layers.map((layer) => descriptor(layer.blob)),
  });
  return { manifest, blobs: [config, ...layers.map((layer) => layer.blob)] };
}

/** The files this process has mapped, as the loader was told their names. */
function sharedLibraries(): string[] {
  if (!process.report) throw new LarderError('demo.no-report', 'this Node has no process.report');
  // The types of Node 24 don't have it yet. Without it the report looks up the name of every peer.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as { sharedObjects?: string[] };
  return (report.sharedObjects ?? []).filter(
    (path) => isAbsolute(path) && path !== process.execPath && !path.endsWith('.node'),
  );
}

async function fileEntry(from: string, to: string): Promise<TarEntry> {
  const { size, mode } = await stat(from);
  return { path: to.slice(1), mode: mode & 0o777, content: { bytes: size, read: () => createReadStream(from) } };
}

/** The folders of the files and some empty ones, parents first, then the files. */
async function withDirectories(files: TarEntry[], empty: readonly string[] = []): Promise<TarEntry[]> {
  const folders = new Set(empty);
  for (const file of files) {
    for (let folder = dirname(file.path); folder !== '.'; folder = dirname(folder)) folders.add(folder);
  }
  return [...[...folders].toSorted().map((path) => ({ path, mode: 0o755 })), ...files];
}

async function packLayer(
  entries: TarEntry[],
  target: { path: string; compression: 'gzip' | 'zstd' },
  signal: AbortSignal,
): Promise<{ diffId: string; blob: RegistryBlob }> {
  const [tarHash, blobHash] = [createHash('sha256'), createHash('sha256')];
  let bytes = 0;
  await pipeline(
    writeTar(entries),
    async function* (chunks) {
      for await (const chunk of chunks) {
        tarHash.update(chunk);
        yield chunk;
      }
    },
    target.compression === 'gzip' ? createGzip() : createZstdCompress({ params: FASTEST_ZSTD }),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        blobHash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    },
    createWriteStream(target.path, { mode: 0o600 }),
    { signal },
  );
  const blob = {
    digest: `sha256:${blobHash.digest('hex')}`,
    bytes,
    mediaType: `application/vnd.oci.image.layer.v1.tar+${target.compression}`,
    path: target.path,
  };
  return { diffId: `sha256:${tarHash.digest('hex')}`, blob };
}

function jsonBlob(mediaType: string, document: unknown): RegistryBlob {
  const content = Buffer.from(JSON.stringify(document));
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  return { digest, bytes: content.length, mediaType, content };
}

function descriptor({ mediaType, digest, bytes }: RegistryBlob) {
  return { mediaType, digest, size: bytes };
}
