import { join } from 'node:path';
import { removeDurably } from '../../blobs/index.ts';
import type { Digest } from '../../lib/digest.ts';
import { blobsInUse } from './blobs-in-use.ts';
import { type AgentFolder, blobFilesIn, fileSize, snapshotIdsIn } from './data-folder.ts';
import type { LocalSnapshots } from './local-snapshots.ts';
import type { SnapshotFetches } from './snapshot-fetches.ts';
import { wantedBlobs } from './wanted-blobs.ts';

/**
 * Removes blobs, and halves of blobs, that no snapshot here or under way names and nothing has mounted. Does nothing while a
 * snapshot is under way whose blobs are not known yet. Returns what was freed.
 */
export async function collectBlobs(
  folder: AgentFolder,
  { local, fetches }: { local: LocalSnapshots; fetches: SnapshotFetches },
): Promise<{ blobs: number; bytes: number }> {
  const freed = { blobs: 0, bytes: 0 };
  const needed = new Set<Digest>();
  for (const { wanted } of fetches.all.values()) {
    if (wanted === undefined) return freed;
    for (const { key } of wanted) needed.add(key);
  }
  for (const snapshot of local.all.values()) for (const { key } of wantedBlobs(snapshot)) needed.add(key);
  const unneeded = (await blobFilesIn(folder.directory)).filter(({ key }) => !needed.has(key));
  if (unneeded.length === 0) return freed;
  const used = await blobsInUse(folder.directory);
  for (const { path, key } of unneeded) {
    if (used.has(key)) continue;
    const bytes = (await fileSize(path)) ?? 0;
    await removeDurably(path);
    freed.blobs++;
    freed.bytes += bytes;
  }
  return freed;
}

/** Manifests that an earlier agent left of what is not wanted any more. */
export async function collectIncoming(folder: AgentFolder, fetches: SnapshotFetches): Promise<void> {
  for (const id of await snapshotIdsIn(folder.incomingSnapshots)) {
    if (!fetches.all.has(id)) await removeDurably(join(folder.incomingSnapshots, `${id}.json`));
  }
}
