import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSnapshot, type Snapshot, type SnapshotImage } from '../caches/index.ts';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { formatReference, parseReference } from '../oci/index.ts';

const SNAPSHOT_ID = /^s-[a-z0-9]{20}$/;

function inFull(reference: string): string {
  return formatReference(parseReference(reference));
}

export function isSnapshotId(text: string): boolean {
  return SNAPSHOT_ID.test(text);
}

/** Reads a snapshot from the server's data folder. Throws `nodes.snapshot-missing` or `nodes.snapshot-unreadable`. */
export async function readSnapshot(dataDirectory: string, id: string): Promise<Snapshot> {
  if (!isSnapshotId(id)) throw new LarderError('nodes.snapshot-missing', `not a snapshot id: ${JSON.stringify(id)}`);
  const path = join(dataDirectory, 'snapshots', `${id}.json`);
  try {
    return parseSnapshot(id, await readFile(path, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      const hint = 'mount works on the machine of the server; --data names its data folder';
      throw new LarderError('nodes.snapshot-missing', `no snapshot ${id} in ${dataDirectory}; ${hint}`, {
        cause: error,
      });
    }
    throw new LarderError('nodes.snapshot-unreadable', `can't read ${path}: ${describeError(error)}`, { cause: error });
  }
}

/** The image named so, as the cache's creator wrote it or with Docker's defaults (`nginx`, `docker.io/library/nginx:latest`). Throws `nodes.image-missing`, which lists those there are. */
export function findImage(snapshot: Snapshot, reference: string): SnapshotImage {
  const wanted = inFull(reference);
  const image =
    snapshot.images.find((each) => each.reference === reference) ??
    snapshot.images.find((each) => inFull(each.reference) === wanted);
  if (image) return image;
  const list = snapshot.images.map((each) => each.reference).join(', ');
  throw new LarderError('nodes.image-missing', `${reference} is not in ${snapshot.imageCacheId}, which holds: ${list}`);
}
