import { describeError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { matchImage } from './match-images.ts';
import type { SourceClient } from './node-source.ts';

/** Uses that wait for the server; of those beyond, it is not told. */
const MAX_WAITING = 1_000;

/** An image of a cache that was attached on this node. */
export type Use = { readonly imageCacheId: string; readonly reference: string };

/**
 * Tells the server what is used, as `larder node match` does: it counts a hit, and the cache's LastMatchedTime, by which the
 * least recently used are removed, moves on. Nobody waits for that. Uses of an image meanwhile are one.
 */
export type UseReports = {
  add(use: Use): void;
  /** Sends what waits, one after the other; ends at the first failure. */
  send(): void;
  stop(): Promise<void>;
};

export function createUseReports(client: Pick<SourceClient, 'call'>, log: Logger): UseReports {
  const waiting = new Map<string, Use>();
  const controller = new AbortController();
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    for (const [key, { imageCacheId, reference }] of waiting) {
      waiting.delete(key);
      try {
        await matchImage(client, reference, controller.signal, { ImageCacheId: imageCacheId });
      } catch (error) {
        if (!controller.signal.aborted)
          log.debug({ cache: imageCacheId, err: describeError(error) }, 'the server was not told of a use');
        return;
      }
    }
  }

  return {
    add(use) {
      if (waiting.size < MAX_WAITING) waiting.set(`${use.imageCacheId} ${use.reference}`, use);
    },
    send() {
      if (controller.signal.aborted) return;
      sending ??= sendAll().finally(() => {
        sending = undefined;
      });
    },
    async stop() {
      controller.abort();
      await sending;
    },
  };
}
