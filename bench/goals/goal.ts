import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/client/index.ts';
import type { DockerRegistry } from '../../test/support/docker-registry.ts';
import type { LarderServer } from '../../test/support/larder-server.ts';

/** One line of the table. */
export type Goal = { readonly what: string; readonly measured: string; readonly goal: string };

export type Bench = {
  /** A folder on the disk that everything is written to. */
  readonly work: string;
  readonly registry: DockerRegistry;
  /** A server with an empty data folder. */
  readonly start: (env?: NodeJS.ProcessEnv) => Promise<BenchServer>;
};
export type BenchServer = LarderServer & { readonly client: Client };

const POLL_MS = 2;
const BUILD_TIMEOUT_MS = 600_000;

type Described = { ImageCaches: { Status: string; Events: { Message: string }[] }[] };

/** Creates a cache and returns its id, without waiting for it. */
export async function create(server: BenchServer, images: readonly string[]): Promise<string> {
  const hosts = new Set(images.map((image) => image.split('/')[0]));
  const answer = await server.client.call('CreateImageCache', {
    ImageCacheName: 'bench',
    Image: [...images],
    PlainHttpRegistry: [...hosts].join(','),
  });
  return String(answer.ImageCacheId);
}

/** Polls until the cache is Ready; throws with its events when it is Failed. */
export async function ready(server: BenchServer, id: string, pollMs = POLL_MS): Promise<void> {
  for (const endMs = Date.now() + BUILD_TIMEOUT_MS; Date.now() < endMs; await sleep(pollMs)) {
    const answer = await server.client.call('DescribeImageCaches', { ImageCacheId: id });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the documented form of the answer
    const [cache] = (answer as Described).ImageCaches;
    if (cache?.Status === 'Ready') return;
    if (cache?.Status === 'Failed') throw new Error(cache.Events.map((event) => event.Message).join('\n'));
  }
  throw new Error(`${id} did not become Ready`);
}

/** From the call to Ready, in ms. */
export async function createReadyMs(server: BenchServer, images: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  await ready(server, await create(server, images));
  return performance.now() - startedMs;
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

export function spread(values: readonly number[]): string {
  return `p50 ${quantile(values, 0.5).toFixed(1)} ms, p99 ${quantile(values, 0.99).toFixed(1)} ms, longest ${Math.max(...values).toFixed(1)} ms`;
}
