import { setTimeout as sleep } from 'node:timers/promises';
import { checkManifests, collectGarbage, type Garbage, scrubBlob } from '../builds/index.ts';
import type { Digest } from '../lib/digest.ts';
import type { LossReason } from '../store/index.ts';
import type { Upkeep } from './open-upkeep.ts';

export { createPacer, type Garbage } from '../builds/index.ts';

const BATCH = 200;
const REBUILD_POLL_MS = 250;

/** One collection, files that no row names included; see collectGarbage. */
export function collectNow(
  upkeep: Upkeep,
  options: { dryRun: boolean; graceMs: number; signal: AbortSignal },
): Promise<Garbage> {
  const { keeper, owner } = upkeep;
  const { dryRun, graceMs, signal } = options;
  return collectGarbage(upkeep, owner, signal, { dryRun, orphans: { keeper, graceMs } });
}

export type Scrub = {
  blobs: number;
  bytes: number;
  damaged: { diffId: Digest; reason: LossReason }[];
  snapshots: { restored: number; lost: number };
};

/** Reads every blob and every snapshot manifest now, and puts aside what is wrong. */
export async function scrubNow(
  upkeep: Upkeep,
  options: { signal: AbortSignal; onBytes?: (read: number, total: number) => void | Promise<void> },
): Promise<Scrub> {
  const { store } = upkeep;
  const { signal, onBytes } = options;
  const result: Scrub = { blobs: 0, bytes: 0, damaged: [], snapshots: { restored: 0, lost: 0 } };
  const { bytes: total } = await store.health.totals();
  const onPiece = async (bytes: number) => {
    result.bytes += bytes;
    await onBytes?.(result.bytes, total);
  };
  for (let after: Digest | undefined; ; ) {
    const rows = await store.health.storedBlobs({ after, limit: BATCH });
    for (const blob of rows) {
      const verdict = await scrubBlob(blob, upkeep, { signal, onPiece });
      if (verdict === 'gone') continue;
      result.blobs++;
      if (verdict !== 'right') result.damaged.push({ diffId: blob.diffId, reason: verdict });
    }
    if (rows.length < BATCH) break;
    after = rows.at(-1)?.diffId;
  }
  const manifests = await checkManifests(upkeep, { signal, isThorough: true });
  result.snapshots = { restored: manifests.restored, lost: manifests.lostSnapshots };
  return result;
}

/** Waits until the server has rebuilt the layers or failed to; gives those that are not back, and why. */
export async function waitForRebuild(
  upkeep: Upkeep,
  diffIds: readonly Digest[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Map<Digest, string>> {
  const endMs = upkeep.clock.now() + options.timeoutMs;
  for (;;) {
    const wanted = new Set(diffIds);
    const lost = (await upkeep.store.health.lost()).filter((layer) => wanted.has(layer.diffId));
    const isOver = lost.every((layer) => layer.lastError !== undefined) || upkeep.clock.now() > endMs;
    if (isOver) return new Map(lost.map((layer) => [layer.diffId, layer.lastError ?? 'not rebuilt yet']));
    await sleep(REBUILD_POLL_MS, undefined, { signal: options.signal });
  }
}
