import { setTimeout as sleep } from 'node:timers/promises';
import { ApiCallError, type CallParams, type Client } from '../../../src/client/index.ts';
import { pick } from '../../support/random.ts';
import type { Random } from './disk-model.ts';
import type { Mark } from './promises.ts';

const POLL_MS = 10;
const SETTLE_TIMEOUT_MS = 30_000;
const MAX_CACHES = 6;

export type Load = {
  /** What there is now, as far as this client knows. */
  readonly caches: Map<string, KnownCache>;
  /** One call, or some that belong together, of this kind or any. */
  step(): Promise<void>;
  delete(id: string): Promise<void>;
  /** The clock went on by days: what expires, and what may have failed, may be gone. */
  clockJumped(): void;
};

type KnownCache = { image: string; isReady: boolean; mayExpire: boolean; mayBeGone?: boolean };

/** A client that creates, updates, tags, describes and deletes image caches at random, and tells of all that it learns. */
export function createLoad(
  client: Client,
  options: {
    random: Random;
    images: readonly string[];
    /** Can't be pulled. */
    missing: string;
    tell: (mark: Mark) => void;
    signal?: AbortSignal;
    /** Builds that were begun are waited for so often. */
    waitShare?: number;
  },
): Load {
  const { random, images, missing, tell, signal, waitShare = 0.7 } = options;
  const caches = new Map<string, KnownCache>();
  let names = 0;
  const call = (action: string, params: CallParams) => client.call(action, params, signal ? { signal } : {});

  async function describe(id: string): Promise<{ Status: string; Images: string[] } | undefined> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form that the API's documents promise
    const answer = (await call('DescribeImageCaches', { ImageCacheId: id })) as {
      ImageCaches: { Status: string; Images: string[] }[];
    };
    return answer.ImageCaches[0];
  }

  /** Waits until no build works on the cache. */
  async function settle(id: string, image: string): Promise<void> {
    for (const endMs = performance.now() + SETTLE_TIMEOUT_MS; ; await sleep(POLL_MS, undefined, { signal })) {
      const found = await describe(id);
      const cache = caches.get(id);
      if (found === undefined || cache === undefined) return;
      if (found.Status === 'Ready') {
        if (found.Images[0] !== image) throw new Error(`${id} has ${found.Images[0]} instead of ${image}`);
        tell({ kind: 'ready', id, image });
        caches.set(id, { ...cache, image, isReady: true });
        return;
      }
      if (['Failed', 'UpdateFailed'].includes(found.Status)) return;
      if (performance.now() > endMs) throw new Error(`${id} is still ${found.Status}`);
    }
  }

  async function create(): Promise<void> {
    const image = random() < 0.1 ? missing : pick(images, random);
    const name = `cache-${++names}`;
    const mayExpire = random() < 0.3;
    const { ImageCacheId } = await call('CreateImageCache', {
      ImageCacheName: name,
      Image: [image],
      ...(mayExpire ? { RetentionDays: '1' } : {}),
    });
    const id = String(ImageCacheId);
    tell({ kind: 'created', id, image, name, mayExpire });
    caches.set(id, { image, isReady: false, mayExpire });
    if (random() < waitShare) await settle(id, image);
  }

  async function update(id: string): Promise<void> {
    const image = random() < 0.1 ? missing : pick(images, random);
    tell({ kind: 'updating', id, image });
    await call('UpdateImageCache', { ImageCacheId: id, Image: [image] });
    if (random() < waitShare) await settle(id, image);
  }

  async function rename(id: string): Promise<void> {
    const name = `cache-${++names}`;
    tell({ kind: 'renaming', id });
    await call('UpdateImageCache', { ImageCacheId: id, ImageCacheName: name });
    tell({ kind: 'renamed', id, name });
  }

  async function remove(id: string): Promise<void> {
    tell({ kind: 'deleting', id });
    const mayBeGone = caches.get(id)?.mayBeGone ?? false;
    caches.delete(id);
    try {
      await call('DeleteImageCache', { ImageCacheId: id });
    } catch (error) {
      if (!(mayBeGone && isNotFound(error))) throw error;
    }
    tell({ kind: 'deleted', id });
  }

  return {
    caches,
    delete: remove,
    clockJumped() {
      for (const cache of caches.values()) cache.mayBeGone ||= cache.mayExpire || !cache.isReady;
    },
    async step() {
      const ready = [...caches].filter(([, { isReady }]) => isReady).map(([id]) => id);
      const chance = random();
      if (caches.size >= MAX_CACHES || (chance < 0.2 && caches.size > 0))
        return remove(pick([...caches.keys()], random));
      if (ready.length === 0 || chance < 0.55) return create();
      const id = pick(ready, random);
      try {
        if (chance < 0.7) await update(id);
        else if (chance < 0.8) await rename(id);
        else if (chance < 0.9)
          await call('TagResources', {
            ResourceType: 'ImageCache',
            ResourceId: [id],
            Tag: [{ Key: 'k', Value: `${++names}` }],
          });
        else await describe(id);
      } catch (error) {
        if (caches.get(id)?.mayBeGone && isNotFound(error)) caches.delete(id);
        // It may be Updating since an earlier step that was not waited for.
        else if (!(error instanceof ApiCallError) || error.apiCode !== 'ImageCache.IncorrectStatus') throw error;
      }
    },
  };
}

function isNotFound(error: unknown): boolean {
  return error instanceof ApiCallError && error.apiCode.endsWith('.NotFound');
}
