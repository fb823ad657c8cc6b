/** The layers of the `oddities` image: everything unusual that the formats allow, in three steps over one tree. */
import type { TarEntry } from './tar-writer.ts';

const text = (value: string): Uint8Array => Buffer.from(value);
const bytes = (length: number): Uint8Array => Buffer.alloc(length, 'The quick brown fox jumps over the lazy dog. ');

export const directory = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: 'directory',
  ...more,
});
export const file = (name: string, content = name, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: 'file',
  content: text(content),
  ...more,
});
const symlink = (name: string, linkName: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: 'symlink',
  mode: 0o777,
  linkName,
  ...more,
});
export const hardLink = (name: string, linkName: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: 'hardLink',
  linkName,
  ...more,
});
/** Removes NAME of the layers below; `.wh..wh..opq` instead empties a directory of them (image-spec, layer.md). */
export const whiteout = (folder: string, name: string): TarEntry => file(`${folder}/.wh.${name}`, '');
export const opaque = (folder: string): TarEntry => file(`${folder}/.wh..wh..opq`, '');

/** struct vfs_ns_cap_data, revision 2: cap_net_bind_service permitted and effective (linux/capability.h). */
const NET_BIND_SERVICE = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** POSIX ACL xattr, version 2: entries of tag, permissions, id (linux/posix_acl_xattr.h). */
function acl(...entries: [tag: number, permissions: number, id?: number][]): Uint8Array {
  const value = Buffer.alloc(4 + entries.length * 8);
  value.writeUInt32LE(2);
  for (const [index, [tag, permissions, id = 0xffffffff]] of entries.entries()) {
    value.writeUInt16LE(tag, 4 + index * 8);
    value.writeUInt16LE(permissions, 6 + index * 8);
    value.writeUInt32LE(id, 8 + index * 8);
  }
  return value;
}
const [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER] = [1, 2, 4, 8, 16, 32] as const;
const ACCESS_ACL = acl([USER_OBJ, 6], [USER, 4, 70000], [GROUP_OBJ, 4], [GROUP, 6, 1234], [MASK, 6], [OTHER, 4]);
const DEFAULT_ACL = acl([USER_OBJ, 7], [USER, 5, 1000], [GROUP_OBJ, 5], [MASK, 5], [OTHER, 0]);

function* metadata(): Generator<TarEntry> {
  yield directory('modes', { mode: 0o1777, mtime: '1000000000.123456789' });
  for (const mode of [0o000, 0o4755, 0o2755, 0o6711, 0o7777]) yield file(`modes/${mode.toString(8)}`, 'x', { mode });
  yield directory('modes/setgid', { mode: 0o2775, gid: 50 });
  yield directory('times', { mtime: '-1000.5' });
  for (const mtime of ['0', '-1', '-1.5', '-0.000000001', '1.000000001', '2147483648', '4294967296.5', '9000000000']) {
    yield file(`times/${mtime}`, 'x', { mtime });
  }
  yield file('times/gnu-negative', 'x', { mtime: '-86400', dialect: 'gnu' });
  yield directory('owners', { uid: 65536, gid: 65537 });
  for (const uid of [65535, 65536, 0o7777777, 0o10000000, 4294967294]) {
    yield file(`owners/${uid}`, 'x', { uid, gid: uid });
    yield file(`owners/gnu-${uid}`, 'x', { uid, gid: uid, dialect: 'gnu' });
  }
  yield symlink('owners/link', 'nowhere', { uid: 70000, gid: 70001, mtime: '5.5' });
  yield directory('xattrs', { xattrs: { 'user.on-directory': text('d'), 'system.posix_acl_default': DEFAULT_ACL } });
  // A pax record without a value takes the attribute back, so `user.empty` does not exist.
  yield file('xattrs/user', 'x', {
    xattrs: { 'user.a': text('1'), 'user.empty': text(''), 'user.binary': Buffer.from([0, 10, 61, 255]) },
  });
  yield file('xattrs/large', 'x', { xattrs: { 'user.large': bytes(2000) } });
  yield file('xattrs/capability', 'x', { mode: 0o755, uid: 1, xattrs: { 'security.capability': NET_BIND_SERVICE } });
  yield file('xattrs/acl', 'x', { mode: 0o664, xattrs: { 'system.posix_acl_access': ACCESS_ACL } });
  yield file('xattrs/trusted', 'x', { xattrs: { 'trusted.larder': text('t') } });
}

function* names(): Generator<TarEntry> {
  const long = 'l'.repeat(255);
  yield directory('names');
  for (const name of [
    '\xff\xfe',
    'caf\xe9',
    'tab\there',
    'line\nbreak',
    'back\\slash',
    ' ',
    'quote"',
    '...',
    '.wh',
    '-rf',
  ]) {
    yield file(`names/${name}`, 'x');
  }
  yield file(`names/${long}`, 'pax');
  yield file(`names/g${long.slice(1)}`, 'gnu', { dialect: 'gnu' });
  yield symlink('names/pax-link', `/${'t/'.repeat(500)}`);
  yield symlink('names/gnu-link', `/${'u/'.repeat(500)}`, { dialect: 'gnu' });
  yield symlink('names/longest-link', 'v'.repeat(4095));
  yield file('/names/absolute', 'x');
  yield file('./names//doubled', 'x');
  // More names than fit into one directory block, out of order.
  yield directory('many');
  for (let index = 0; index < 1500; index++) yield file(`many/${(index * 7919) % 1500}-name`, '');
  let deep = 'deep';
  for (let depth = 0; depth < 60; depth++, deep += '/d') yield directory(deep);
  yield file(`${deep.slice(0, -2)}/bottom`, 'x');
}

function* contents(): Generator<TarEntry> {
  yield directory('sizes');
  for (const size of [0, 1, 511, 512, 513, 4095, 4096, 4097, 65536, 1_000_001]) {
    yield { name: `sizes/${size}`, type: 'file', content: bytes(size) };
  }
  yield { name: 'sizes/zeros', type: 'file', content: Buffer.alloc(100_000) };
  yield* sparseFiles('pax-1.0');
}

/** Files with holes, in one of GNU tar's two forms, or written out in full. */
export function* sparseFiles(format: 'gnu' | 'pax-1.0' | 'full'): Generator<TarEntry> {
  const data = bytes(512);
  const files: [name: string, size: number, offsets: number[]][] = [
    ['three-parts', 3_000_000, [0, 70_144, 1_048_576]],
    ['hole', 123_456, []],
    ['tail', 41_472, [40_960]],
  ];
  yield directory('sparse');
  for (const [name, size, offsets] of files) {
    const entry = file(`sparse/${name}`, '', { mtime: '55.5' });
    if (format !== 'full') {
      yield { ...entry, sparse: { size, parts: offsets.map((offset) => ({ offset, data })), format } };
      continue;
    }
    const content = Buffer.alloc(size);
    for (const offset of offsets) content.set(data, offset);
    yield { ...entry, content };
  }
}

function* nodes(): Generator<TarEntry> {
  yield directory('nodes');
  yield { name: 'nodes/null', type: 'character', mode: 0o666, device: { major: 1, minor: 3 } };
  yield { name: 'nodes/large', type: 'block', mode: 0o660, gid: 6, device: { major: 259, minor: 300_000 } };
  yield { name: 'nodes/fifo', type: 'fifo', mode: 0o600, mtime: '7.25' };
  yield directory('links');
  yield file('links/a', 'three names', { uid: 7, mtime: '3.5' });
  yield hardLink('links/b', 'links/a');
  yield hardLink('links/c', './links/b');
  yield hardLink('links/fifo', 'nodes/fifo');
  yield symlink('links/symlink', 'a', { mtime: '9.5' });
  yield hardLink('links/symlink-too', 'links/symlink');
  yield file('links/first', 'two names, the first one goes');
  yield hardLink('links/second', 'links/first');
}

export function* firstLayer(): Generator<TarEntry> {
  yield directory('./', { mode: 0o751, mtime: '1234567890.5' });
  yield* metadata();
  yield* names();
  yield* contents();
  yield* nodes();
  yield directory('changes');
  for (const name of ['gone', 'returned', 'returned-early', 'flip', 'symlink-next'])
    yield file(`changes/${name}`, 'first');
  yield symlink('changes/symlink', 'gone');
  for (const name of [
    'folder',
    'returned-folder',
    'remade',
    'remade-late',
    'opaque',
    'opaque-late',
    'flop',
    'merged',
  ]) {
    yield directory(`changes/${name}`, { mode: 0o700 });
    yield directory(`changes/${name}/sub`);
    yield file(`changes/${name}/sub/old`, 'first');
    yield file(`changes/${name}/old`, 'first');
  }
  // Within one layer the last entry of a name counts.
  yield directory('twice', { mode: 0o700 });
  yield file('twice/file', 'the first, longer content');
  yield file('twice/file', 'second', { mode: 0o600, uid: 5 });
  yield symlink('twice/symlink', 'file');
  yield file('twice/symlink', 'a file now');
  yield directory('twice', { mode: 0o711, mtime: '77.5' });
}

export function* secondLayer(): Generator<TarEntry> {
  yield directory('./', { mode: 0o755, mtime: '1234567891.5' });
  yield directory('changes', { mtime: '22.5' });
  yield whiteout('changes', 'gone');
  yield whiteout('changes', 'never-there');
  yield whiteout('changes', 'returned');
  yield file('changes/returned', 'second');
  yield file('changes/returned-early', 'second');
  yield whiteout('changes', 'returned-early');
  yield whiteout('changes', 'folder');
  yield whiteout('changes', 'returned-folder');
  yield whiteout('changes', 'remade');
  for (const name of ['remade', 'remade-late', 'opaque', 'opaque-late', 'merged']) {
    yield directory(`changes/${name}`, { mode: 0o750, mtime: '33.5' });
    if (name === 'opaque') yield opaque('changes/opaque');
    yield file(`changes/${name}/new`, 'second');
  }
  yield whiteout('changes', 'remade-late');
  yield opaque('changes/opaque-late');
  yield directory('changes/flip');
  yield file('changes/flip/inside', 'second');
  yield file('changes/flop', 'a file in between');
  yield file('changes/symlink', 'a file in place of the symlink');
  yield symlink('changes/symlink-next', '../many');
  yield directory('links');
  yield whiteout('links', 'first');
}

export function* thirdLayer(): Generator<TarEntry> {
  yield directory('./', { mode: 0o755, mtime: '1234567892.5' });
  yield directory('changes', { mtime: '44.5' });
  yield file('changes/gone', 'back again');
  yield directory('changes/returned-folder');
  yield file('changes/returned-folder/new', 'third');
  yield file('changes/flip', 'a file again');
  yield directory('changes/flop');
  yield file('changes/flop/new', 'third');
  yield directory('changes/merged', { mode: 0o711 });
  yield whiteout('changes/merged', 'old');
  yield file('changes/merged/third', 'third');
}
