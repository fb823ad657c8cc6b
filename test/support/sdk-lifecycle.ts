import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DockerRegistry, startDockerRegistry } from './docker-registry.ts';
import { ACCESS_KEY, type LarderServer, startLarder } from './larder-server.ts';
import { pushSmallImage } from './small-image.ts';

const BUILD_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
const ID = /^imc-[a-z0-9]{20}$/;
/** As the API writes it. */
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

export type CacheView = { name: string; status: string; images: string[]; progress: string };

/** The three calls, whatever the client. */
export type Calls = {
  create(name: string, image: string, plainHttp: string): Promise<string>;
  read(id: string): Promise<CacheView | undefined>;
  delete(id: string): Promise<void>;
};
export type Secret = { accessKeyId: string; accessKeySecret: string };

/** A real server, and a registry that it knows speaks plain http: not every client has PlainHttpRegistry. */
export function withLarder(): { registry: DockerRegistry; larder: LarderServer } {
  let registry: DockerRegistry | undefined;
  let larder: LarderServer | undefined;
  before(async () => {
    registry = await startDockerRegistry();
    larder = await startLarder({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });
  return {
    get registry() {
      return registry ?? assert.fail();
    },
    get larder() {
      return larder ?? assert.fail();
    },
  };
}

/** Tests that each client creates, polls, reads and deletes, and what it throws for a wrong secret. */
export function testLifecycle(options: {
  title: string;
  skip: string | false;
  clients: Readonly<Record<string, (endpoint: string, secret: Secret) => Calls>>;
  checkWrongSecret(error: Error, client: string): void;
}): void {
  describe(options.title, { skip: options.skip }, () => {
    const world = withLarder();

    for (const [client, connect] of Object.entries(options.clients)) {
      test(`${client}: creates, polls, reads and deletes`, async () => {
        const { reference } = await pushSmallImage(world.registry);
        const calls = connect(world.larder.endpoint, ACCESS_KEY);

        const id = await calls.create('from-sdk', reference, world.registry.host);
        assert.match(id, ID);
        const cache = await poll(calls, id);
        assert.deepEqual(cache, { name: 'from-sdk', status: 'Ready', images: [reference], progress: '100%' });
        await calls.delete(id);
        assert.equal(await calls.read(id), undefined);
      });

      test(`${client}: a wrong secret is the typed error`, async () => {
        const calls = connect(world.larder.endpoint, { ...ACCESS_KEY, accessKeySecret: 'wrong' });
        await assert.rejects(calls.read('imc-00000000000000000000'), (error: Error) => {
          options.checkWrongSecret(error, client);
          return true;
        });
      });
    }
  });
}

async function poll(calls: Calls, id: string): Promise<CacheView | undefined> {
  const deadlineMs = Date.now() + BUILD_TIMEOUT_MS;
  for (;;) {
    const cache = await calls.read(id);
    if (!cache || cache.status === 'Ready' || cache.status === 'Failed' || Date.now() > deadlineMs) return cache;
    await sleep(POLL_MS);
  }
}
