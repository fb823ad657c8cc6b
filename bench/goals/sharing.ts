import { existsSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErofsFile, openErofs } from '../../src/layers/erofs/index.ts';
import { benchImage } from '../../test/support/bench-images.ts';
import { DEBIAN_MINBASE } from '../../test/support/debian-images.ts';
import { addLayer, MANIFEST, writeImages } from '../../test/support/oci-layout.ts';
import { pushImage } from '../../test/support/push-image.ts';
import { writeTar } from '../../test/support/tar-writer.ts';
import { type Bench, type BenchServer, create, type Goal, ready } from './goal.ts';

const IMAGES = 20;
const SMALL_BYTES = 100_000;
/** The unit of `stat.blocks`. */
const BLOCK_BYTES = 512;
const FILE_BLOCK_BYTES = 4096;
const DELETE_TIMEOUT_MS = 30_000;

/** Twenty images that share a base, in one cache: what they take on the disk, and how fast a delete gives it back. */
export async function* sharing({ start, registry }: Bench): AsyncGenerator<Goal> {
  await using server = await start();
  const layout = await benchImage(DEBIAN_MINBASE);
  const target = { host: registry.host, repository: 'sharing' };
  await pushImage(layout, DEBIAN_MINBASE, target);
  const base = await baseLayer(`http://${registry.host}/v2/sharing/manifests/${DEBIAN_MINBASE}`, registry.host);
  const own = join(server.dataDirectory, '../sharing');
  const images = [];
  for (let index = 0; index < IMAGES; index++) {
    const content = Buffer.alloc(SMALL_BYTES, `image ${index}`);
    const layer = await addLayer(
      own,
      Readable.from(writeTar([{ name: `own-${index}`, type: 'file', content }])),
      'gzip',
    );
    images.push({ tag: `image-${index}`, layers: [base, layer] });
  }
  await writeImages(own, images);
  const references: string[] = [];
  for (const { tag } of images) references.push(await pushImage(own, tag, target));
  const id = await create(server, references);
  await ready(server, id, 50);
  const { allocated, files } = await layerBytes(server);
  const content = await contentBytes(files);
  const more = (bytes: number) => `${(100 * (allocated / bytes - 1)).toFixed(1)} %`;
  yield {
    what: `${IMAGES} images sharing a base, in one cache`,
    measured: `${files.length} blobs; on the disk ${more(content.bytes)} more than the bytes of the files, ${more(content.inBlocks)} more than their blocks of 4 KiB`,
    goal: `${IMAGES + 1} blobs, 2 %`,
  };

  const startedMs = performance.now();
  await server.client.call('DeleteImageCache', { ImageCacheId: id });
  const answeredMs = performance.now() - startedMs;
  while ((await layerBytes(server)).files.length > 0 && performance.now() - startedMs < DELETE_TIMEOUT_MS)
    await sleep(5);
  yield {
    what: 'delete',
    measured: `answered after ${answeredMs.toFixed(1)} ms, the space is back after ${(performance.now() - startedMs).toFixed(0)} ms`,
    goal: 'at once, 1 s',
  };
}

async function baseLayer(manifestUrl: string, host: string) {
  type Manifest = { config: { digest: string }; layers: { mediaType: string; digest: string; size: number }[] };
  const manifest: Manifest = await fetchJson(manifestUrl);
  const config: { rootfs: { diff_ids: string[] } } = await fetchJson(
    `http://${host}/v2/sharing/blobs/${manifest.config.digest}`,
  );
  const [layer] = manifest.layers;
  if (!layer) throw new Error('an image without layers');
  return { ...layer, diffId: config.rootfs.diff_ids[0] ?? '' };
}

async function fetchJson<T>(url: string): Promise<T> {
  const response = await fetch(url, { headers: { accept: MANIFEST } });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documents that this benchmark wrote
  return (await response.json()) as T;
}

async function layerBytes(server: BenchServer): Promise<{ allocated: number; files: string[] }> {
  const folder = join(server.dataDirectory, 'layers');
  let allocated = 0;
  const files: string[] = [];
  for (const name of existsSync(folder) ? await readdir(folder, { recursive: true }) : []) {
    if (!name.endsWith('.erofs')) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (!found) continue;
    allocated += found.blocks * BLOCK_BYTES;
    files.push(join(folder, name));
  }
  return { allocated, files };
}

/** Of the regular files in the blobs, each inode once: bytes, and bytes of the blocks that any file system without compression gives them. */
async function contentBytes(files: readonly string[]): Promise<{ bytes: number; inBlocks: number }> {
  const total = { bytes: 0, inBlocks: 0 };
  for (const path of files) {
    const file = await open(path);
    const reader = await openErofs(async (position, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    });
    const seen = new Set<number>();
    const visit = async (inode: ErofsFile): Promise<void> => {
      if (inode.kind === 'file') {
        total.bytes += inode.size;
        total.inBlocks += Math.ceil(inode.size / FILE_BLOCK_BYTES) * FILE_BLOCK_BYTES;
      }
      if (inode.kind !== 'directory') return;
      for await (const { nid } of reader.list(inode)) {
        if (seen.has(nid)) continue;
        seen.add(nid);
        await visit(await reader.inode(nid));
      }
    };
    await visit(reader.root);
    await file.close();
  }
  return total;
}
