import { LarderError } from '../lib/errors.ts';
import { formatReference, type ImageReference, parseReference } from '../oci/index.ts';

/** How an image is looked up: by its repository, and by what names it exactly within that. */
export type ImageTerms = {
  /** `docker.io/library/nginx` */
  readonly repository: string;
  /** The one that a request for the image asks for: `…:tag`, `…:tag@digest`, or `…@digest` where it names no tag. */
  readonly asked: string;
  /** All by which a cache that holds the image is found. */
  readonly held: readonly string[];
};

/** Texts whose terms are remembered; then it starts afresh. Popular references are read again and again. */
const MAX_REMEMBERED = 16_384;

/** Reads references, remembering the last ones; undefined for what is none. */
export function createTermReader(): (text: string) => ImageTerms | undefined {
  let remembered = new Map<string, ImageTerms | undefined>();
  return (text) => {
    const known = remembered.get(text);
    if (known !== undefined || remembered.has(text)) return known;
    const terms = readTerms(text);
    if (remembered.size >= MAX_REMEMBERED) remembered = new Map();
    remembered.set(text, terms);
    return terms;
  };
}

function readTerms(text: string): ImageTerms | undefined {
  let reference: ImageReference;
  try {
    reference = parseReference(text);
  } catch (error) {
    if (error instanceof LarderError) return undefined;
    throw error;
  }
  const { registry, repository, tag, digest } = reference;
  const asked = formatReference(reference);
  const name = { registry, repository };
  const held = [asked];
  // A tag is asked for with or without the digest, and a digest without its tag.
  if (tag !== undefined && digest !== undefined) {
    held.push(formatReference({ ...name, tag }), formatReference({ ...name, digest }));
  }
  return { repository: `${registry}/${repository}`, asked, held };
}
