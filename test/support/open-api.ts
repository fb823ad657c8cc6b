import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createSealer, SEAL_KEY_BYTES } from '../../src/accounts/index.ts';
import {
  type ApiServices,
  createActions,
  createMatchCatalog,
  createMatchRecorder,
  IMAGE_CACHE_VIEW,
} from '../../src/api/index.ts';
import { snapshotIdOf } from '../../src/caches/index.ts';
import {
  type ActionContext,
  apiError,
  bodyText,
  flattenParameters,
  type ResultObject,
  renderResult,
  type WireValue,
} from '../../src/rpc/index.ts';
import { openSqliteStore, type Store } from '../../src/store/index.ts';

export const ACCOUNT_ID = '1000000000000001';
export const REGION_ID = 'cn-hangzhou';

type Params = { readonly [name: string]: WireValue };

export type OpenApi = {
  readonly store: Store;
  readonly wakes: () => number;
  /** The answer as a client parses it. */
  readonly call: (action: string, params?: Params, context?: Partial<ActionContext>) => Promise<Answer>;
  /** A dry run of the same call. */
  readonly dryRun: (action: string, params?: Params) => Promise<Answer>;
  /** Creates a cache and ends its build. */
  readonly create: (params: Params, end?: 'Ready' | 'Failed') => Promise<string>;
  /** Ends the builds that are queued. */
  readonly endBuilds: (end: 'Ready' | 'Failed') => Promise<void>;
  readonly cache: (id: string) => Promise<Answer>;
};
/** Read field by field, as a client reads JSON. */
export type Answer = ReturnType<typeof JSON.parse>;

/** The actions over a real store, called as the pipeline calls them once a request is authenticated. */
export async function openApi(t: TestContext, change: Partial<ApiServices> = {}, gatherMs = 0): Promise<OpenApi> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-api-'));
  const seal = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
  const store = await openSqliteStore({ path: join(directory, 'larder.db'), seal, view: IMAGE_CACHE_VIEW });
  const recorder = createMatchRecorder(store.caches, (error) => assert.fail(String(error)), gatherMs);
  t.after(async () => {
    await recorder.flush();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  let wakes = 0;
  const actions = createActions({
    store,
    matches: createMatchCatalog(store.caches.feed, { pause: () => setImmediate() }),
    recorder,
    randomBytes,
    regionId: REGION_ID,
    minImageCacheSizeGib: 20,
    maxImageCaches: async () => 500,
    acrInstances: new Map(),
    wakeWorker: () => wakes++,
    ...change,
  });

  async function call(name: string, params: Params = {}, context: Partial<ActionContext> = {}): Promise<Answer> {
    const action = actions.get(name) ?? assert.fail(`no action ${name}`);
    const run = action.prepare(new Map(flattenParameters({ RegionId: REGION_ID, ...params })));
    const result = await run({
      accountId: ACCOUNT_ID,
      accessKeyId: 'k',
      principal: { type: 'Account', id: ACCOUNT_ID },
      action: name,
      requestId: randomUUID(),
      regionId: REGION_ID,
      nowMs: Date.now(),
      log: { warn() {}, error() {} },
      peer: '127.0.0.1',
      host: '127.0.0.1:4620',
      secure: false,
      beforeChange() {},
      ...context,
    });
    return parsed(name, result);
  }

  async function endBuilds(end: 'Ready' | 'Failed'): Promise<void> {
    for (;;) {
      const nowMs = Date.now();
      const build = await store.builds.claim('test', nowMs, 60_000);
      if (!build) return;
      await store.builds.update(build.id, 'test', { status: 'Creating' }, nowMs);
      const result =
        end === 'Ready'
          ? { status: end, snapshotId: snapshotIdOf(build.id), layers: [], events: [] }
          : { status: end, expiresAtMs: nowMs + 86_400_000, events: [] };
      assert.ok(await store.builds.finish(build.id, 'test', result, nowMs));
    }
  }

  return {
    store,
    wakes: () => wakes,
    call,
    dryRun: (name, params) =>
      call(name, params, {
        beforeChange() {
          throw apiError('DryRunOperation');
        },
      }),
    async create(params, end = 'Ready') {
      const { ImageCacheId } = await call('CreateImageCache', { ImageCacheName: 'test', Image: ['a'], ...params });
      await endBuilds(end);
      return ImageCacheId;
    },
    endBuilds,
    cache: async (id) => (await call('DescribeImageCaches', { ImageCacheId: id })).ImageCaches[0],
  };
}

function parsed(action: string, result: ResultObject): Answer {
  return JSON.parse(bodyText(renderResult(result, { action, format: 'JSON', requestId: 'R' }).body));
}
