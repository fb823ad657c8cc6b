import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { addLayer, type Layer, pushImage, writeImages } from './oci-layout.ts';
import { type TarEntry, writeTar } from './tar-writer.ts';

export type SmallImage = { reference: string; layers: readonly Layer[] };

/** Pushes an image of `layers` layers, each a folder with one file of `bytes` random bytes, so that no two layers are equal. */
export async function pushSmallImage(
  host: string,
  repository: string,
  options: { layers?: number; bytes?: number } = {},
): Promise<SmallImage> {
  const layout = await mkdtemp(join(tmpdir(), 'larder-image-'));
  try {
    const layers: Layer[] = [];
    for (let index = 0; index < (options.layers ?? 2); index++) {
      const entries: TarEntry[] = [
        { name: './', type: 'directory' },
        { name: `layer-${index}`, type: 'directory' },
        { name: `layer-${index}/data`, type: 'file', content: randomBytes(options.bytes ?? 10_000) },
      ];
      layers.push(await addLayer(layout, Readable.from(writeTar(entries)), 'gzip'));
    }
    await writeImages(layout, [{ tag: 'latest', layers }]);
    return { reference: await pushImage(layout, 'latest', host, repository), layers };
  } finally {
    await rm(layout, { recursive: true });
  }
}
