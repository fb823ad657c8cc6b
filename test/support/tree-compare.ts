import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { runForBytes } from './run.ts';

/**
 * Everything a file system keeps of an entry. Names and link targets are byte strings (latin1), because names in images
 * need not be UTF-8. Sizes of directories and link counts are left out: they depend on the file system.
 */
export type TreeEntry = {
  type: 'file' | 'directory' | 'symlink' | 'character device' | 'block device' | 'fifo' | 'socket';
  /** Permission bits with setuid, setgid and sticky, octal. */
  mode: string;
  uid: string;
  gid: string;
  /** Nanoseconds since 1970; negative before. */
  mtime: string;
  size?: string;
  sha256?: string;
  linkTarget?: string;
  /** The device number. */
  device?: string;
  /** The first name, in byte order, of the names that share this inode; absent when there is one name. */
  hardLinkOf?: string;
  /** `name=hex`, sorted; POSIX ACLs and capabilities are among them. */
  xattrs: string;
};

const FIELDS = [
  'type',
  'mode',
  'uid',
  'gid',
  'mtime',
  'size',
  'sha256',
  'linkTarget',
  'device',
  'hardLinkOf',
  'xattrs',
] as const;

/** Path relative to the root (`.` is the root itself), as a byte string, → entry. */
export type Tree = Map<string, TreeEntry>;

const READ_BYTES = 1 << 20;
const MAX_SHOWN_DIFFERENCES = 50;

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/**
 * Reads a whole tree, contents included. Synchronous calls on purpose: they are several times faster over tens of thousands
 * of small files, and the servers under test are other processes.
 */
export async function listTree(root: string): Promise<Tree> {
  const rootBytes = Buffer.from(root).toString('latin1');
  const xattrs = await readXattrs(root, rootBytes);
  const tree: Tree = new Map();
  const namesByInode = new Map<string, string[]>();
  const hashByInode = new Map<string, string>();
  const buffer = Buffer.allocUnsafe(READ_BYTES);

  function visit(path: string): void {
    const full = bytes(`${rootBytes}/${path}`);
    const stat = lstatSync(full, { bigint: true });
    const entry = describe(full, stat, xattrs.get(path) ?? '');
    const inode = `${stat.dev}:${stat.ino}`;
    if (entry.type === 'file') {
      entry.size = String(stat.size);
      entry.sha256 = hashByInode.get(inode) ?? hashFile(full, buffer);
      hashByInode.set(inode, entry.sha256);
    }
    if (entry.type !== 'directory') namesByInode.set(inode, [...(namesByInode.get(inode) ?? []), path]);
    tree.set(path, entry);
    if (entry.type !== 'directory') return;
    for (const name of readdirSync(full, { encoding: 'latin1' })) visit(path === '.' ? name : `${path}/${name}`);
  }
  visit('.');
  for (const names of namesByInode.values()) {
    if (names.length === 1) continue;
    const first = names.toSorted().at(0) ?? '';
    for (const name of names) {
      const entry = tree.get(name);
      if (entry) entry.hardLinkOf = first;
    }
  }
  return tree;
}

function describe(full: Buffer, stat: BigIntStats, xattrs: string): TreeEntry {
  const entry: TreeEntry = {
    type: typeOf(stat),
    mode: (stat.mode & 0o7777n).toString(8).padStart(4, '0'),
    uid: String(stat.uid),
    gid: String(stat.gid),
    mtime: String(stat.mtimeNs),
    xattrs,
  };
  if (stat.isSymbolicLink()) entry.linkTarget = readlinkSync(full, { encoding: 'latin1' });
  if (stat.isCharacterDevice() || stat.isBlockDevice()) entry.device = String(stat.rdev);
  return entry;
}

function typeOf(stat: BigIntStats): TreeEntry['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'character device';
  if (stat.isBlockDevice()) return 'block device';
  return stat.isFIFO() ? 'fifo' : 'socket';
}

function hashFile(path: Buffer, buffer: Buffer): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const length = readSync(file, buffer);
      if (length === 0) return hash.digest('hex');
      hash.update(length === buffer.length ? buffer : buffer.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}

/** All extended attributes under the root in one go: relative path → sorted `name=hex` list. */
async function readXattrs(root: string, rootBytes: string): Promise<Map<string, string>> {
  const options = ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names'];
  const dump = (await runForBytes('getfattr', [...options, root])).toString('latin1');
  const result = new Map<string, string>();
  for (const block of dump.split('\n\n')) {
    const [head = '', ...lines] = block.split('\n').filter((line) => line !== '');
    if (!head.startsWith('# file: ')) continue;
    // getfattr writes unusual bytes of a name as three octal digits.
    const path = head
      .slice('# file: '.length)
      .replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
    result.set(path === rootBytes ? '.' : path.slice(rootBytes.length + 1), lines.toSorted().join(' '));
  }
  return result;
}

/** What differs, one line each, in the words `PATH: FIELD EXPECTED, got ACTUAL`; empty when the trees are equal. */
export function compareTrees(expected: Tree, actual: Tree): string[] {
  const differences: string[] = [];
  for (const [path, entry] of expected) {
    const other = actual.get(path);
    if (!other) differences.push(`${show(path)}: missing (${entry.type})`);
    else differences.push(...compareEntries(path, entry, other));
  }
  for (const [path, entry] of actual) {
    if (!expected.has(path)) differences.push(`${show(path)}: not expected (${entry.type})`);
  }
  const hidden = differences.length - MAX_SHOWN_DIFFERENCES;
  return hidden > 0 ? [...differences.slice(0, MAX_SHOWN_DIFFERENCES), `… and ${hidden} more`] : differences;
}

function compareEntries(path: string, expected: TreeEntry, actual: TreeEntry): string[] {
  return FIELDS.filter((field) => expected[field] !== actual[field]).map(
    (field) => `${show(path)}: ${field} ${show(expected[field] ?? 'none')}, got ${show(actual[field] ?? 'none')}`,
  );
}

/** Printable: bytes outside ASCII as `\xHH`. */
function show(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
