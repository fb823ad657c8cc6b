import type { Clock } from '../lib/clock.ts';
import type { RandomBytes } from '../lib/ids.ts';
import type { Store } from '../store/ports.ts';

/** What the actions work with; made once by the composition root. */
export type ApiServices = {
  readonly store: Pick<Store, 'caches'>;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** The least size of an image cache; smaller requests are raised to it. */
  readonly minImageCacheSizeGib: number;
  /** Tells the worker that a build was queued or a cache deleted. */
  readonly wakeWorker: () => void;
};
