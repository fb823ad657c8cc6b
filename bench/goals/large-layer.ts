import { stat } from 'node:fs/promises';
import { benchImage, ONE_LARGE_LAYER } from '../../test/support/bench-images.ts';
import { blobFile, readManifest } from '../../test/support/oci-layout.ts';
import { pushImage } from '../../test/support/push-image.ts';
import { dropCaches } from '../cold-run.ts';
import { processPeakBytes } from '../process-cpu.ts';
import { type Bench, createReadyMs, type Goal } from './goal.ts';
import { largeLayerBounds } from './large-layer-bounds.ts';

/** 2 GiB of files in one layer; its headers are a thousandth more. */
const TAR_BYTES = 2 ** 31;
const TAR_MB = TAR_BYTES / 1e6;

/** One layer of 2 GiB of tar, with each inflater, from the call to Ready. */
export async function* largeLayer({ start, registry, work }: Bench): AsyncGenerator<Goal> {
  const layout = await benchImage(ONE_LARGE_LAYER);
  const reference = await pushImage(layout, ONE_LARGE_LAYER, { host: registry.host });
  const [layer] = (await readManifest(layout, ONE_LARGE_LAYER)).layers;
  if (!layer) throw new Error(`${ONE_LARGE_LAYER} has no layer`);
  const layerPath = blobFile(layout, layer.digest);
  const compressed = `${((await stat(layerPath)).size / 1e6).toFixed(0)} MB compressed`;
  for (const [inflater, goal] of [
    ['auto', 450],
    ['node', 300],
  ] as const) {
    await using server = await start({ LARDER_DECOMPRESSOR: inflater });
    await dropCaches();
    const ms = await createReadyMs(server, [reference]);
    yield {
      what: `one layer of 2 GiB (${compressed}), ${inflater === 'auto' ? 'igzip' : 'node:zlib'}`,
      measured: `${(ms / 1000).toFixed(1)} s, ${(TAR_MB / (ms / 1000)).toFixed(0)} MB of tar a second, peak memory ${(processPeakBytes(server.pid) / 2 ** 20).toFixed(0)} MiB`,
      goal: `${goal} MB/s, 256 MB`,
    };
  }
  yield* largeLayerBounds(layerPath, TAR_BYTES, work);
}
