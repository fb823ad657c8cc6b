import { setTimeout as sleep } from 'node:timers/promises';
import { imageCacheView } from '../api/index.ts';
import type { ImageCache } from '../caches/index.ts';
import type { Store } from '../store/index.ts';

/** The store is asked this often for news of a cache; a client's bars move at least once a second. */
const POLL_MS = 250;
/** Sent when nothing changed, so that a dead connection is noticed on both sides. */
const KEEP_ALIVE_MS = 5_000;
const FINAL = new Set<ImageCache['status']>(['Ready', 'Failed', 'UpdateFailed']);

/**
 * The server-sent events of one cache: its view in the API's field names plus `Layers` with the bytes of each, sent when
 * it changes, ending after a final status or when the cache is gone.
 */
export async function* imageCacheEvents(
  key: { accountId: string; regionId: string; id: string },
  context: { store: Store; signal: AbortSignal },
): AsyncGenerator<string> {
  let last = '';
  let quietMs = 0;
  while (!context.signal.aborted) {
    const page = await context.store.caches.find(key, { limit: 1 });
    const [cache] = page.caches;
    if (!cache) return yield `event: gone\ndata: ${JSON.stringify({ ImageCacheId: key.id })}\n\n`;
    const progress = await context.store.builds.progress(cache.id);
    const layers = progress.layers.map((layer) => ({
      Image: progress.images[layer.imageIndex] ?? '',
      ImageIndex: layer.imageIndex,
      LayerIndex: layer.layerIndex,
      Digest: layer.digest,
      DownloadedBytes: layer.downloadedBytes,
      TotalBytes: layer.totalBytes,
      State: layer.state,
    }));
    const text = JSON.stringify({ ...imageCacheView(cache), Layers: layers });
    if (text !== last) yield `data: ${text}\n\n`;
    else if (quietMs >= KEEP_ALIVE_MS) yield ': still here\n\n';
    quietMs = text !== last || quietMs >= KEEP_ALIVE_MS ? 0 : quietMs + POLL_MS;
    last = text;
    if (FINAL.has(cache.status)) return;
    await sleep(POLL_MS, undefined, { signal: context.signal }).catch(() => undefined);
  }
}
