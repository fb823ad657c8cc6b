import type { AgentStatus } from './agent-status.ts';
import type { BlobProgress } from './blob-downloads.ts';
import { type AgentFolder, blobFilesIn, fileSize } from './data-folder.ts';
import type { LocalSnapshots } from './local-snapshots.ts';
import type { ChosenCache } from './node-source.ts';
import type { SnapshotFetches } from './snapshot-fetches.ts';
import { wantedBlobs } from './wanted-blobs.ts';

/** What the agent knows of its server. */
export type AgentState = {
  chosen: readonly ChosenCache[];
  missing: readonly string[];
  server: AgentStatus['Server'];
  serverError?: string;
  lastContactMs?: number;
};

/** Every cache that is here, on its way, or chosen and not built yet. */
export function describeCaches(parts: {
  state: AgentState;
  local: LocalSnapshots;
  fetches: SnapshotFetches;
  have: (key: BlobProgress['key']) => number;
}): AgentStatus['Caches'] {
  const { state, local, fetches, have } = parts;
  const names = new Map(state.chosen.map((cache) => [cache.id, cache]));
  const chosen = new Set(state.chosen.map(({ snapshotId }) => snapshotId));
  const whole = [...local.all.values()].map((snapshot): AgentStatus['Caches'][number] => {
    const blobs = wantedBlobs(snapshot);
    const bytes = blobs.reduce((sum, blob) => sum + blob.bytes, 0);
    const isLeaving = state.server !== 'unknown' && state.lastContactMs !== undefined && !chosen.has(snapshot.id);
    return {
      ImageCacheId: snapshot.imageCacheId,
      ImageCacheName: names.get(snapshot.imageCacheId)?.name ?? '',
      SnapshotId: snapshot.id,
      Images: snapshot.images.map(({ reference }) => reference),
      State: isLeaving ? 'leaving' : 'local',
      Blobs: blobs.length,
      Bytes: bytes,
      LocalBytes: bytes,
    };
  });
  const coming = [...fetches.all.values()].map(({ cache, snapshotId, wanted = [], doneBytes, error, isRunning }) => ({
    ImageCacheId: cache.id,
    ImageCacheName: cache.name,
    SnapshotId: snapshotId,
    Images: [...cache.images],
    State: isRunning ? ('fetching' as const) : ('failed' as const),
    Blobs: wanted.length,
    Bytes: wanted.reduce((sum, blob) => sum + blob.bytes, 0),
    LocalBytes: wanted.reduce((sum, blob) => sum + have(blob.key), doneBytes),
    ...(error === undefined ? {} : { Error: error }),
  }));
  const waiting = state.chosen
    .filter(({ snapshotId }) => snapshotId === undefined)
    .map(({ id, name, status, images }) => ({
      ImageCacheId: id,
      ImageCacheName: name,
      SnapshotId: '',
      Images: [...images],
      State: 'waiting' as const,
      Blobs: 0,
      Bytes: 0,
      LocalBytes: 0,
      Error: `the server has it as ${status}`,
    }));
  return [...whole, ...coming, ...waiting];
}

/** Of what is whole. */
export async function blobTotals(folder: AgentFolder): Promise<Pick<AgentStatus, 'BlobCount' | 'BlobBytes'>> {
  const files = (await blobFilesIn(folder.directory)).filter(({ isPart }) => !isPart);
  const sizes = await Promise.all(files.map(({ path }) => fileSize(path)));
  return { BlobCount: files.length, BlobBytes: sizes.reduce((sum: number, size) => sum + (size ?? 0), 0) };
}
