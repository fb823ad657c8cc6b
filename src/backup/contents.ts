import { z } from 'zod';
import { parseDigest } from '../lib/digest.ts';

/** Names of the members of a backup, in their order; blobs come between the last two. */
export const MEMBER = {
  about: 'larder-backup.json',
  database: 'larder.db',
  blobs: 'blobs.json',
  key: 'seal.key',
  sums: 'SHA256SUMS',
} as const;
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
