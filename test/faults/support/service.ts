import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { type Client, createClient } from '../../../src/client/index.ts';
import { loadServerConfig } from '../../../src/config/index.ts';
import { type RunningServer, startServer } from '../../../src/server/index.ts';
import { ACCESS_KEY, REGION_ID } from '../../support/larder-server.ts';

const TIMEOUT_MS = 20_000;
const POLL_MS = 20;

/** What DescribeImageCaches says of a cache, as far as tests of faults look at it. */
export type CacheState = { Status: string; Events: { Reason: string; Message: string; Type: string }[] };

/** The whole service in this process, with a client of it; what it logs is kept. */
export type Service = {
  readonly server: RunningServer;
  readonly client: Client;
  readonly dataDirectory: string;
  readonly log: () => string;
  create(image: string, params?: Readonly<Record<string, string>>): Promise<string>;
  /** The cache once no build works on it. */
  settled(id: string): Promise<CacheState>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function startService(
  options: { env?: NodeJS.ProcessEnv; limits?: readonly string[] } = {},
): Promise<Service> {
  const home = await mkdtemp(join(tmpdir(), 'larder-faults-'));
  const dataDirectory = join(home, 'data');
  const lines: string[] = [];
  const env = {
    LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
    LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
    LARDER_DECOMPRESSOR: 'node',
    // No credentials of whoever runs the tests.
    DOCKER_CONFIG: join(home, 'docker'),
    ...options.env,
  };
  const flags = { dataDirectory, defaultRegionId: REGION_ID, listen: '127.0.0.1:0', limits: options.limits ?? [] };
  const server = await startServer(loadServerConfig(env, flags), {
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
  });
  const client = createClient({
    ...ACCESS_KEY,
    endpoint: server.endpoint,
    regionId: REGION_ID,
    timeoutMs: TIMEOUT_MS,
  });

  async function find(id: string): Promise<CacheState> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form that the API's documents promise
    const answer = (await client.call('DescribeImageCaches', { ImageCacheId: id })) as { ImageCaches: CacheState[] };
    return answer.ImageCaches[0] ?? assert.fail(`no cache ${id}`);
  }

  return {
    server,
    client,
    dataDirectory,
    log: () => lines.join(''),
    async create(image, params = {}) {
      const { ImageCacheId } = await client.call('CreateImageCache', {
        ImageCacheName: 'test',
        Image: [image],
        ...params,
      });
      return String(ImageCacheId);
    },
    async settled(id) {
      const deadlineMs = Date.now() + TIMEOUT_MS;
      for (;;) {
        const cache = await find(id);
        if (['Ready', 'Failed', 'UpdateFailed'].includes(cache.Status)) return cache;
        assert.ok(Date.now() < deadlineMs, `still ${cache.Status}`);
        await sleep(POLL_MS);
      }
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(home, { recursive: true });
    },
  };
}
