import { z } from 'zod';
import { type Digest, digestOfHex, hexOf, parseDigest } from '../lib/digest.ts';

/** Names of the members of a backup, in their order; blobs come between the last two. */
export const MEMBER = {
  about: 'larder-backup.json',
  database: 'larder.db',
  blobs: 'blobs.json',
  key: 'seal.key',
  sums: 'SHA256SUMS',
} as const;
const BLOB_MEMBER = /^layers\/sha256\/[0-9a-f]{2}\/([0-9a-f]{64})\.erofs$/;

/** As they lie in the data folder of this version (blobs/layout.ts); another layout does not change the backup's. */
export function blobMember(key: Digest): string {
  const hex = hexOf(key);
  return `layers/sha256/${hex.slice(0, 2)}/${hex}.erofs`;
}

/** The key of the blob that a member is; undefined for any other member. */
export function keyOfMember(name: string): Digest | undefined {
  const hex = BLOB_MEMBER.exec(name)?.[1];
  return hex === undefined ? undefined : digestOfHex(hex);
}

export const FORMAT_VERSION = 1;
/** Of what is read into memory whole. */
export const MAX_DOCUMENT_BYTES = 512 * 2 ** 20;

export const aboutSchema = z.object({
  format: z.number(),
  /** Version of the program that wrote it. */
  larder: z.string(),
  createdAt: z.string(),
  hasKey: z.boolean(),
  hasBlobs: z.boolean(),
});
export type About = z.infer<typeof aboutSchema>;

const digest = z.string().transform((text) => parseDigest(text));
/** Every blob that the image caches of the backup need. */
export const blobListSchema = z.array(
  z.object({ key: digest, bytes: z.number().int().min(0), digest: digest.optional() }),
);
export type BlobList = z.infer<typeof blobListSchema>;
