import { LarderError } from './errors.ts';

declare const digestBrand: unique symbol;
/** A content digest in OCI form, `sha256:` + 64 lower-case hex digits; only made by {@link parseDigest} and {@link digestOfHex}. */
export type Digest = string & { readonly [digestBrand]: true };

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** Reads a digest strictly (image-spec descriptor.md, "Digests"); sha256 is the only algorithm Larder takes. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new LarderError('digest.invalid', `not a sha256 digest: ${JSON.stringify(text.slice(0, 100))}`);
}

export function isDigest(text: string): text is Digest {
  return SHA256.test(text);
}

/** The digest with this lower-case hex sha256. */
export function digestOfHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The hex part of a digest, 64 characters. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
