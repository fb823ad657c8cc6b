import { benchImage } from '../../test/support/bench-images.ts';
import { DEBIAN_APPS } from '../../test/support/debian-images.ts';
import { MANIFEST } from '../../test/support/oci-layout.ts';
import { pushImage } from '../../test/support/push-image.ts';
import { startSlowProxy } from '../../test/support/slow-proxy.ts';
import { type Bench, createReadyMs, type Goal } from './goal.ts';

/** 100 Mbit/s, shared by all connections. */
const BYTES_PER_SECOND = 12_500_000;

/** From a registry behind 100 Mbit/s, against the bare download of the same layers, two at a time as Larder does. */
export async function* slowRegistry({ start, registry }: Bench): AsyncGenerator<Goal> {
  await pushImage(await benchImage(DEBIAN_APPS), DEBIAN_APPS, { host: registry.host, repository: 'slow' });
  await using proxy = await startSlowProxy(registry.host, BYTES_PER_SECOND, { shared: true });
  const bareMs = await bareDownloadMs(`http://${proxy.host}/v2/slow`);
  await using server = await start();
  const oursMs = await createReadyMs(server, [`${proxy.host}/slow:${DEBIAN_APPS}`]);
  yield {
    what: `registry at 100 Mbit/s, ${DEBIAN_APPS}`,
    measured: `${(oursMs / 1000).toFixed(1)} s, the bare download ${(bareMs / 1000).toFixed(1)} s: ${(oursMs / bareMs).toFixed(3)}`,
    goal: '1.05',
  };
}

async function bareDownloadMs(base: string): Promise<number> {
  const manifest = await fetch(`${base}/manifests/${DEBIAN_APPS}`, { headers: { accept: MANIFEST } });
  const { layers }: { layers: { digest: string }[] } = JSON.parse(await manifest.text());
  const startedMs = performance.now();
  await Promise.all(
    layers.map(async ({ digest }) => {
      const response = await fetch(`${base}/blobs/${digest}`);
      for await (const _chunk of response.body ?? []);
    }),
  );
  return performance.now() - startedMs;
}
