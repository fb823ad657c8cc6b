import { z } from 'zod';
import { parseDigest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import type { Snapshot } from './image-cache.ts';

const digest = z.string().transform((text) => parseDigest(text));
const bytes = z.number().int().min(0);
const snapshotSchema: z.ZodType<Snapshot> = z.object({
  id: z.string(),
  imageCacheId: z.string(),
  createdAt: z.string(),
  images: z.array(
    z.object({
      reference: z.string(),
      manifestDigest: digest,
      manifest: z.string().optional(),
      manifestMediaType: z.string().optional(),
      platform: z.string(),
      configDigest: digest,
      config: z.string(),
      layers: z.array(
        z.object({
          diffId: digest,
          blob: digest,
          blobDigest: digest.optional(),
          digest,
          mediaType: z.string(),
          compressedBytes: bytes,
          tarBytes: bytes,
          blobBytes: bytes,
        }),
      ),
    }),
  ),
});

/** Reads a snapshot manifest strictly. Throws `caches.snapshot-unreadable` for anything else, or another snapshot's. */
export function parseSnapshot(id: string, text: string): Snapshot {
  try {
    const snapshot = snapshotSchema.parse(JSON.parse(text));
    if (snapshot.id === id) return snapshot;
    throw new TypeError(`it is that of ${snapshot.id}`);
  } catch (cause) {
    throw new LarderError('caches.snapshot-unreadable', `this is not the manifest of snapshot ${id}`, { cause });
  }
}
