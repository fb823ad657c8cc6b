import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { addLayer, writeImages } from '../../test/support/oci-layout.ts';
import { pushImage } from '../../test/support/push-image.ts';
import { writeTar } from '../../test/support/tar-writer.ts';
import { type Bench, createReadyMs, type Goal, spread } from './goal.ts';

const ROUNDS = 30;

/** A create whose layers are all there, and one that has a small new layer to fetch. */
export async function* reuse({ start, registry, work }: Bench): AsyncGenerator<Goal> {
  await using server = await start();
  const layout = await mkdtemp(join(work, 'reuse-'));
  const layer = (name: string) =>
    addLayer(layout, Readable.from(writeTar([{ name, type: 'file', content: Buffer.from(name) }])), 'gzip');
  const base = [await layer('a'), await layer('b'), await layer('c')];
  const images = [{ tag: 'base', layers: base }];
  for (let round = 0; round < ROUNDS; round++) {
    images.push({ tag: `new-${round}`, layers: [...base, await layer(`new-${round}`)] });
  }
  await writeImages(layout, images);
  const references: string[] = [];
  for (const { tag } of images)
    references.push(await pushImage(layout, tag, { host: registry.host, repository: 'reuse' }));
  const [reference = '', ...fresh] = references;
  await createReadyMs(server, [reference]);
  const again: number[] = [];
  for (let round = 0; round < ROUNDS; round++) again.push(await createReadyMs(server, [reference]));
  yield { what: 'create when all layers are there', measured: spread(again), goal: '100 ms' };
  const small: number[] = [];
  for (const one of fresh) small.push(await createReadyMs(server, [one]));
  yield { what: 'create with one small new layer', measured: spread(small), goal: '150 ms' };
}
