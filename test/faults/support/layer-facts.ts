import { createHash } from 'node:crypto';
import { type ErofsFile, openErofs, type ReadAt } from '../../../src/layers/erofs/index.ts';
import { listTree } from '../../support/tree-compare.ts';

/** Path → kind, mode, owner, and what a file or symlink holds; without the root. */
export type LayerFacts = Readonly<Record<string, string>>;

/** Of a blob, each file read to its end. */
export async function listingOf(readAt: ReadAt): Promise<LayerFacts> {
  const reader = await openErofs(readAt);
  const facts: Record<string, string> = {};
  const pending: { path: string; inode: ErofsFile }[] = [{ path: '', inode: reader.root }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { path, inode } = next;
    if (path !== '') facts[path] = brief(inode, await contentOf(inode));
    if (inode.kind !== 'directory') continue;
    for await (const { name, nid } of reader.list(inode))
      pending.push({ path: path === '' ? name : `${path}/${name}`, inode: await reader.inode(nid) });
  }
  return sorted(facts);

  async function contentOf(inode: ErofsFile): Promise<string> {
    if (inode.kind === 'symlink') return reader.readTarget(inode);
    if (inode.kind !== 'file') return '';
    const hash = createHash('sha256');
    for await (const part of reader.read(inode)) hash.update(part);
    return hash.digest('hex');
  }
}

/** The same of what an unpacker made of the layer. */
export async function listingOfFolder(folder: string): Promise<LayerFacts> {
  const facts: Record<string, string> = {};
  for (const [path, entry] of await listTree(folder)) {
    if (path === '.') continue;
    const [kind = ''] = entry.type.split(' ');
    const { uid, gid, linkTarget, sha256 } = entry;
    facts[path] = brief({ kind, mode: Number.parseInt(entry.mode, 8), uid, gid }, linkTarget ?? sha256 ?? '');
  }
  return sorted(facts);
}

type Inode = { kind: string; mode: number; uid: number | string; gid: number | string };

function brief({ kind, mode, uid, gid }: Inode, content: string): string {
  return `${kind} ${mode.toString(8)} ${uid}:${gid} ${content}`;
}

function sorted(facts: Record<string, string>): LayerFacts {
  return Object.fromEntries(Object.entries(facts).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
