import { z } from 'zod';
import type { DiskBlobs } from '../blobs/index.ts';
import { type Digest, parseDigest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { createBoundedMap } from './bounded-map.ts';

/** Snapshots whose list of blobs is kept in memory; one of 20 images with 100 layers takes 300 kB. */
const MAX_REMEMBERED_SNAPSHOTS = 128;

const digest = z.string().transform((text) => parseDigest(text));
const schema = z.object({
  images: z.array(
    z.object({
      layers: z.array(z.object({ blob: digest, blobDigest: digest.optional(), blobBytes: z.number() })),
    }),
  ),
});

export type NamedBlob = { readonly bytes: number; readonly blobDigest: Digest | undefined };
export type SnapshotContent = ReadonlyMap<Digest, NamedBlob>;

/** Reads which blobs a snapshot names, by key. Snapshots never change once a cache names them. Undefined where there is none. */
export function createSnapshotContents(
  blobs: Pick<DiskBlobs, 'getSnapshot'>,
): (snapshotId: string) => Promise<SnapshotContent | undefined> {
  const known = createBoundedMap<SnapshotContent>(MAX_REMEMBERED_SNAPSHOTS);
  return async (snapshotId) => {
    const remembered = known.get(snapshotId);
    if (remembered) return remembered;
    const text = await blobs.getSnapshot(snapshotId);
    if (text === undefined) return undefined;
    const content = new Map<Digest, NamedBlob>();
    for (const { layers } of parse(snapshotId, text).images) {
      for (const { blob, blobDigest, blobBytes } of layers) content.set(blob, { bytes: blobBytes, blobDigest });
    }
    known.set(snapshotId, content);
    return content;
  };
}

function parse(snapshotId: string, text: string): z.infer<typeof schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new LarderError('server.snapshot-unreadable', `the manifest of ${snapshotId} can't be read`, { cause });
  }
}
