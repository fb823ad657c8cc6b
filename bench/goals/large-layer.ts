import { benchImage, ONE_LARGE_LAYER } from '../../test/support/bench-images.ts';
import { MANIFEST } from '../../test/support/oci-layout.ts';
import { pushImage } from '../../test/support/push-image.ts';
import { dropCaches } from '../cold-run.ts';
import { processPeakBytes } from '../process-cpu.ts';
import { type Bench, createReadyMs, type Goal } from './goal.ts';

/** 2 GiB of files in one layer; its headers are a thousandth more. */
const TAR_MB = 2 ** 31 / 1e6;

/** One layer of 2 GiB of tar, with each inflater, from the call to Ready. */
export async function* largeLayer({ start, registry }: Bench): AsyncGenerator<Goal> {
  const reference = await pushImage(await benchImage(ONE_LARGE_LAYER), ONE_LARGE_LAYER, { host: registry.host });
  const manifest = await fetch(`http://${registry.host}/v2/test/manifests/${ONE_LARGE_LAYER}`, {
    headers: { accept: MANIFEST },
  });
  const { layers }: { layers: { size: number }[] } = JSON.parse(await manifest.text());
  const compressed = `${((layers[0]?.size ?? 0) / 1e6).toFixed(0)} MB compressed`;
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
}
