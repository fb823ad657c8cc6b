import type { RandomBytes } from '../lib/ids.ts';
import type { Store } from '../store/ports.ts';
import type { AcrInstances } from './acr-registries.ts';
import type { MatchCatalog } from './match-catalog.ts';
import type { MatchRecorder } from './record-matches.ts';

/** How the best cache serves the images of one query: held in the same version, in another one, or not at all. */
export type MatchCounts = { readonly hit: number; readonly partial: number; readonly miss: number };

/** What the actions work with; made once by the composition root. */
export type ApiServices = {
  readonly store: Pick<Store, 'caches' | 'tokens'>;
  readonly matches: MatchCatalog;
  readonly recorder: MatchRecorder;
  /** Told of the outcome of every query with MatchImage, for metrics. */
  readonly onMatches?: ((counts: MatchCounts) => void) | undefined;
  readonly randomBytes: RandomBytes;
  /** The region of this installation: it is offered to those who ask; any other is a namespace as good. */
  readonly regionId: string;
  /** The least size of an image cache; smaller requests are raised to it. */
  readonly minImageCacheSizeGib: number;
  /** How many image caches an account may have in a region. */
  readonly maxImageCaches: (accountId: string) => Promise<number>;
  /** What the parameter AcrRegistryInfo stands for. */
  readonly acrInstances: AcrInstances;
  /** Tells the worker that a build was queued or a cache deleted. */
  readonly wakeWorker: () => void;
};
