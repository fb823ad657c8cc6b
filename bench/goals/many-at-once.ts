import { benchImage } from '../../test/support/bench-images.ts';
import { startCountingProxy } from '../../test/support/counting-proxy.ts';
import { DEBIAN_MINBASE } from '../../test/support/debian-images.ts';
import { pushImage } from '../../test/support/push-image.ts';
import { type Bench, create, type Goal, ready } from './goal.ts';

const CACHES = 100;
const POLL_MS = 100;

/** Many creates of the same image at the same moment; the downloads are counted at the registry. */
export async function* manyAtOnce({ start, registry }: Bench): AsyncGenerator<Goal> {
  await using server = await start();
  await using proxy = await startCountingProxy(registry.host);
  await pushImage(await benchImage(DEBIAN_MINBASE), DEBIAN_MINBASE, { host: registry.host, repository: 'many' });
  const reference = `${proxy.host}/many:${DEBIAN_MINBASE}`;
  const startedMs = performance.now();
  const ids = await Promise.all(Array.from({ length: CACHES }, () => create(server, [reference])));
  await Promise.all(ids.map((id) => ready(server, id, POLL_MS)));
  const seconds = (performance.now() - startedMs) / 1000;
  const blobs = proxy.take().filter((line) => /^GET .*\/blobs\/sha256:/.test(line));
  // The config is a blob of the registry, too, and small: every build asks for it.
  const counts = Map.groupBy(blobs, (line) => line);
  const layers = [...counts.values()].filter((lines) => lines.length < CACHES).map((lines) => lines.length);
  yield {
    what: `${CACHES} creates of one image at once`,
    measured: `all Ready after ${seconds.toFixed(1)} s, each layer downloaded ${layers.join(', ')} time(s)`,
    goal: 'each layer once',
  };
}
