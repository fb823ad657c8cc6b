/** What an index keeps of a reference so that {@link ImageFilter} finds it. */
export type IndexedImage = {
  /** As the caller gave it. */
  readonly reference: string;
  /** Without tag and digest, as given: `reg:5000/a/nginx`. */
  readonly repository: string;
  /** The last part of the repository: `nginx`. */
  readonly leaf: string;
};

/** The distinct references of a cache, taken apart; texts only, so that nothing that was stored can fail to be found. */
export function indexedImages(references: readonly string[]): IndexedImage[] {
  return [...new Set(references)].map((reference) => ({ reference, ...takeApart(reference) }));
}

/**
 * The filter `Image` of DescribeImageCaches. The oldest page shows a full reference as its value, the newest just `nginx`;
 * so an image matches by its reference as given, by its repository, or by the end of either's path.
 */
export type ImageFilter = {
  /** Equal to the reference or the repository. */
  readonly text: string;
  /** The repository or the reference ends in it. */
  readonly pathEnd: string;
  /** Equal to the leaf of every image that matches: what an index looks up. */
  readonly leaf: string;
};

export function imageFilter(text: string): ImageFilter {
  return { text, pathEnd: `/${text}`, leaf: takeApart(text).leaf };
}

/** Whether the filter lets an image through. */
export function matchesImage({ text, pathEnd }: ImageFilter, image: IndexedImage): boolean {
  const { reference, repository } = image;
  return [reference, repository].some((whole) => whole === text || whole.endsWith(pathEnd));
}

function takeApart(reference: string): { repository: string; leaf: string } {
  const start = reference.lastIndexOf('/', reference.includes('@') ? reference.indexOf('@') : undefined) + 1;
  const leaf = reference.slice(start).replace(/[:@].*$/s, '');
  return { repository: reference.slice(0, start) + leaf, leaf };
}
