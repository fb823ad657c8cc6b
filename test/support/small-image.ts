import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { addLayer, type Layer, type LayerCompression, writeImages } from './oci-layout.ts';
import { type PushTarget, pushImage } from './push-image.ts';
import { type TarEntry, writeTar } from './tar-writer.ts';

export type SmallImage = { reference: string; layers: readonly Layer[] };

/**
 * Pushes an image of `layers` layers, each a folder with one file of `bytes` bytes, random unless `fill` says what repeats
 * in it, so that no two images share a layer. Each has a tag of its own.
 */
export async function pushSmallImage(
  target: PushTarget,
  options: { layers?: number; bytes?: number; fill?: Uint8Array; compression?: LayerCompression } = {},
): Promise<SmallImage> {
  const { layers: count = 2, bytes = 10_000, fill, compression = 'gzip' } = options;
  const layout = await mkdtemp(join(tmpdir(), 'larder-image-'));
  try {
    const layers: Layer[] = [];
    for (let index = 0; index < count; index++) {
      const content = fill ? Buffer.alloc(bytes, fill) : randomBytes(bytes);
      const entries: TarEntry[] = [
        { name: './', type: 'directory' },
        { name: `layer-${index}`, type: 'directory' },
        { name: `layer-${index}/data`, type: 'file', content },
      ];
      layers.push(await addLayer(layout, Readable.from(writeTar(entries)), compression));
    }
    const tag = randomBytes(8).toString('hex');
    await writeImages(layout, [{ tag, layers }]);
    return { reference: await pushImage(layout, tag, target), layers };
  } finally {
    await rm(layout, { recursive: true });
  }
}
