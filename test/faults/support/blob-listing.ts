import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type ErofsFile, openErofs } from '../../../src/layers/erofs/index.ts';
import { readSnapshot } from '../../../src/nodes/index.ts';
import type { LayerListing } from './corpus.ts';

const MAX_SHOWN_BYTES = 100;

/** What the uppermost layer of the snapshot's one image holds, by its blob. */
export async function listTopLayer(dataDirectory: string, snapshotId: string): Promise<LayerListing> {
  const { images } = await readSnapshot(dataDirectory, snapshotId);
  const key = images[0]?.layers.at(-1)?.blob;
  if (!key) return {};
  const hex = key.slice('sha256:'.length);
  return listBlob(join(dataDirectory, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`));
}

export async function listBlob(path: string): Promise<LayerListing> {
  const file = await open(path);
  try {
    const reader = await openErofs(async (position, length) => {
      const bytes = Buffer.alloc(length);
      await file.read(bytes, 0, length, position);
      return bytes;
    });
    const listing: Record<string, string> = {};
    const pending: { path: string; inode: ErofsFile }[] = [{ path: '', inode: reader.root }];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const { path: at, inode } = next;
      if (at !== '') listing[at] = await describe(inode);
      if (inode.kind !== 'directory') continue;
      for await (const { name, nid } of reader.list(inode)) {
        pending.push({ path: at === '' ? name : `${at}/${name}`, inode: await reader.inode(nid) });
      }
    }
    return listing;

    async function describe(inode: ErofsFile): Promise<string> {
      if (inode.kind === 'symlink') return `symlink→${await reader.readTarget(inode)}`;
      if (inode.kind === 'character' && inode.major === 0 && inode.minor === 0) return 'whiteout';
      if (inode.kind !== 'file') return inode.kind;
      if (inode.size > MAX_SHOWN_BYTES) return `file of ${inode.size}`;
      const parts: Uint8Array[] = [];
      for await (const part of reader.read(inode)) parts.push(part);
      const mode = inode.mode === 0o644 ? '' : ` mode ${inode.mode.toString(8)}`;
      return `file=${Buffer.concat(parts).toString('latin1')}${mode}`;
    }
  } finally {
    await file.close();
  }
}
