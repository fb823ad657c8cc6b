import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isMarkedVerified, onDisk, removeDurably } from '../../blobs/index.ts';
import type { Snapshot } from '../../caches/index.ts';
import { describeError, LarderError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { publishFile } from '../../lib/publish-file.ts';
import { findImage, layerFileOf, readSnapshot } from '../index.ts';
import { type AgentFolder, fileSize, snapshotIdsIn } from './data-folder.ts';
import { wantedBlobs } from './wanted-blobs.ts';

/** The snapshots of a node that are whole: manifest and every blob, verified. */
export type LocalSnapshots = {
  readonly all: ReadonlyMap<string, Snapshot>;
  /** Looks at the files again; one that is no longer whole is not local any more. */
  check(snapshotId: string): Promise<boolean>;
  /** Moves an incoming manifest, whose blobs are all there, to where everybody looks. */
  publish(snapshot: Snapshot): Promise<void>;
  /** Removes the manifest; its blobs are for the collector. */
  remove(snapshotId: string): Promise<void>;
  /** The newest snapshot with this image, in any spelling of the reference. */
  find(reference: string): { snapshot: Snapshot; reference: string } | undefined;
};

/** Reads what an earlier agent left. */
export async function openLocalSnapshots(folder: AgentFolder, log: Logger): Promise<LocalSnapshots> {
  const all = new Map<string, Snapshot>();
  for (const id of await snapshotIdsIn(folder.snapshots)) {
    try {
      const snapshot = await readSnapshot(folder.directory, id);
      if (await isWhole(folder.directory, snapshot)) all.set(id, snapshot);
      else log.warn({ snapshot: id }, 'a snapshot lacks blobs; they are fetched again');
    } catch (error) {
      log.warn({ snapshot: id, err: describeError(error) }, 'a manifest cannot be used; it is fetched again');
    }
  }
  return {
    all,
    async check(snapshotId) {
      const snapshot = all.get(snapshotId);
      if (snapshot === undefined) return false;
      const whole = await isWhole(folder.directory, snapshot);
      if (!whole) all.delete(snapshotId);
      return whole;
    },
    async publish(snapshot) {
      const name = `${snapshot.id}.json`;
      const path = join(folder.snapshots, name);
      const from = join(folder.incomingSnapshots, name);
      await onDisk(async () => {
        const file = await open(from);
        try {
          await publishFile(file, { from, to: path, bytes: (await file.stat()).size, isFolderNew: true });
        } finally {
          await file.close();
        }
      });
      all.set(snapshot.id, snapshot);
    },
    async remove(snapshotId) {
      await removeDurably(join(folder.snapshots, `${snapshotId}.json`));
      all.delete(snapshotId);
    },
    find(reference) {
      const newestFirst = [...all.values()].toSorted((one, other) => other.createdAt.localeCompare(one.createdAt));
      for (const snapshot of newestFirst) {
        const found = imageIn(snapshot, reference);
        if (found !== undefined) return { snapshot, reference: found };
      }
      return undefined;
    },
  };
}

function imageIn(snapshot: Snapshot, reference: string): string | undefined {
  try {
    return findImage(snapshot, reference).reference;
  } catch (error) {
    if (error instanceof LarderError && error.code === 'nodes.image-missing') return undefined;
    throw error;
  }
}

async function isWhole(dataDirectory: string, snapshot: Snapshot): Promise<boolean> {
  for (const { key, bytes } of wantedBlobs(snapshot)) {
    const path = layerFileOf(dataDirectory, key);
    if ((await fileSize(path)) !== bytes || !(await isMarkedVerified(path))) return false;
  }
  return true;
}
