/** What the index must know of a Ready cache. */
export type MatchEntry = {
  readonly id: string;
  /** The references as given to CreateImageCache; those that can't be parsed match nothing. */
  readonly images: readonly string[];
  readonly sizeGib: number;
  readonly createdAtMs: number;
};

/** The place of a cache among the matches of one query: best first, see {@link MatchIndex}. */
export type MatchPosition = {
  /** Images of the request that the cache holds with the same tag (and digest, where the request names one). */
  readonly full: number;
  /** Further images of the request of which the cache holds the repository with another tag or digest. */
  readonly partial: number;
  readonly sizeGib: number;
  readonly createdAtMs: number;
  readonly id: string;
};

export type MatchQuery = {
  /** References; each counts once, however often and in whichever spelling it is given. */
  readonly images: readonly string[];
  /** Only caches that fully match every image. */
  readonly fullMatch?: boolean;
  /** Only caches that fully match at least so many of the images. */
  readonly matchCount?: number;
  /** Size of the page, at least 1. */
  readonly limit: number;
  /** Only what comes after this place; it need not be the place of a cache that is still there. */
  readonly after?: MatchPosition;
  /** Only caches that this lets through; it is asked for matches only, but for many when it refuses most. */
  readonly accept?: (id: string) => boolean;
};

export type MatchResult = {
  readonly matches: readonly { readonly id: string; readonly full: number; readonly partial: number }[];
  /** `after` of the next page; absent at the end. */
  readonly next?: MatchPosition;
  /** All matches, whatever the page; MAX_COUNTED_MATCHES stands for "at least so many". */
  readonly total: number;
};

/** Matches are counted up to here: nobody pages through more, and an exact number would cost a look at every cache. */
export const MAX_COUNTED_MATCHES = 1_000;

/** Sizes of the index's parts; tests make them small so that few caches go through every path. */
export type MatchTuning = {
  /** Caches in one block, at most BLOCK_SLOTS. */
  readonly blockCapacity: number;
  /** A shorter posting list is never kept as a bitmap. */
  readonly minDenseLength: number;
  readonly maxCounted: number;
};
