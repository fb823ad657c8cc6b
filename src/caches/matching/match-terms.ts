import { LarderError } from '../../lib/errors.ts';
import { formatReference, type ImageReference, parseReference } from '../../oci/index.ts';
import type { Word } from './match-dictionary.ts';

/** How an image is looked up: by its repository, and by what names it exactly within that. */
export type ImageTerms = {
  /** `docker.io/library/nginx` */
  readonly repository: Word;
  /** All by which a cache that holds the image is found; the first is the one that a request for the image asks for. */
  readonly held: readonly [Word, ...Word[]];
};
export type TermReader = (text: string) => ImageTerms | null;

/** Popular references are read again and again: so many texts are remembered, and as many again of those before. */
const MAX_REMEMBERED = 65_536;

/** Reads references; null for what is none. One reader can serve many indexes. */
export function createTermReader(): TermReader {
  let recent = new Map<string, ImageTerms | null>();
  let older = new Map<string, ImageTerms | null>();
  return (text) => {
    const known = recent.get(text);
    if (known !== undefined) return known;
    const found = older.get(text);
    const terms = found === undefined ? readTerms(text) : found;
    if (recent.size >= MAX_REMEMBERED) {
      older = recent;
      recent = new Map();
    }
    recent.set(text, terms);
    return terms;
  };
}

function readTerms(text: string): ImageTerms | null {
  let reference: ImageReference;
  try {
    reference = parseReference(text);
  } catch (error) {
    if (error instanceof LarderError) return null;
    throw error;
  }
  const { registry, repository, tag, digest } = reference;
  const name = { registry, repository };
  const asked = word(formatReference(reference));
  // A tag is asked for with or without the digest, and a digest without its tag.
  const parts =
    tag === undefined || digest === undefined
      ? []
      : [
          { ...name, tag },
          { ...name, digest },
        ];
  return {
    repository: word(`${registry}/${repository}`),
    held: [asked, ...parts.map((part) => word(formatReference(part)))],
  };
}

function word(text: string): Word {
  return { text, lastNumber: 0 };
}
