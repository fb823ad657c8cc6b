import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { LarderError } from '../../lib/errors.ts';
import { describeBlob, readFrom } from '../testing/memory.ts';
import { crc32c } from './crc32c.ts';
import { FileTree, type InodeId } from './file-tree.ts';
import type { Inode } from './inode.ts';
import type { PackedArea } from './packed-area.ts';
import { openErofs } from './reader.ts';
import { writeErofs } from './writer.ts';

const UUID = Buffer.alloc(16, 7);
const NOTHING_PACKED: PackedArea = { read: async () => Buffer.alloc(0) };

type Node = Inode & { entries?: ReadonlyMap<string, Node> };

function plant(tree: FileTree, directory: InodeId, entries: Iterable<[string, Node]>): void {
  for (const [key, node] of entries) {
    const id = tree.add(node);
    tree.set(directory, key, id);
    if (node.entries) plant(tree, id, node.entries);
  }
}

/** The blob of a tree whose files' data is all in block 1. */
async function blobOf(tree: FileTree): Promise<Buffer> {
  const sections = await Array.fromAsync(
    writeErofs(tree, { startBlock: 2, uuid: UUID, packed: NOTHING_PACKED }),
    ({ position, bytes }) => ({
      position,
      bytes: Buffer.from(bytes),
    }),
  );
  const blob = Buffer.alloc(sections.reduce((end, { position, bytes }) => Math.max(end, position + bytes.length), 0));
  for (const { position, bytes } of sections) bytes.copy(blob, position);
  blob.fill('x', 4096, 8192);
  return blob;
}

test('names are found by bisection, in directories of any size', async () => {
  const attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: [] };
  for (const count of [0, 1, 10, 200, 5000]) {
    const tree = new FileTree(attributes);
    const names = ['-first', '~last', '\xff', ...Array.from({ length: count }, (_, index) => `${index * 7919}`)];
    if (count > 0)
      plant(
        tree,
        tree.root,
        names.map((each) => [each, { ...attributes, kind: 'symlink', target: each }]),
      );
    let reads = 0;
    const blob = await blobOf(tree);
    const reader = await openErofs((position, length) => {
      reads++;
      return readFrom(blob)(position, length);
    });
    for await (const { name: each, nid } of reader.list(reader.root)) {
      assert.equal(await reader.find(reader.root, each), nid, each);
    }
    for (const missing of ['', '!', '.', '..', '5000x', 'zz', '\xff\xff']) {
      assert.equal(await reader.find(reader.root, missing), undefined, missing);
    }
    reads = 0;
    await reader.find(reader.root, '7919');
    assert.ok(reads <= 12, `${reads} reads among ${count} names`);
  }
});

test('a directory of 200,000 directories, beside which others get their turns', async () => {
  const attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: [] };
  const tree = new FileTree(attributes);
  for (let index = 0; index < 200_000; index++)
    tree.set(tree.root, `${index}`, tree.add({ ...attributes, kind: 'directory' }));
  const sections = writeErofs(tree, { startBlock: 1, uuid: UUID, packed: NOTHING_PACKED });
  let turns = 0;
  const others = setInterval(() => turns++, 1);
  let next = await sections.next();
  while (!next.done) next = await sections.next();
  clearInterval(others);
  assert.equal(next.value.inodes, 200_001);
  assert.ok(turns > 10, `${turns} turns`);
});

const name = fc
  .string({
    unit: fc
      .integer({ min: 1, max: 255 })
      .filter((code) => code !== 0x2f)
      .map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 255,
  })
  .filter((text) => text !== '.' && text !== '..');
const attributes = fc.record({
  mode: fc.nat(0o7777),
  uid: fc.integer({ min: 0, max: 0xffff_fffe }),
  gid: fc.integer({ min: 0, max: 0xffff_fffe }),
  mtimeSec: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
  mtimeNsec: fc.nat(999_999_999),
  xattrs: fc
    .uniqueArray(fc.record({ key: fc.stringMatching(/^[a-z.]{1,40}$/), value: fc.uint8Array({ maxLength: 300 }) }), {
      selector: ({ key }) => key,
      maxLength: 3,
    })
    .map((list) => list.map(({ key, value }) => ({ name: `user.${key}`, value }))),
});
const leaf: fc.Arbitrary<Node> = fc.oneof(
  fc.tuple(attributes, fc.nat(4096)).map(([base, size]) => ({ ...base, kind: 'file' as const, size, data: 1 })),
  fc.tuple(attributes, name).map(([base, target]) => ({ ...base, kind: 'symlink' as const, target })),
  fc
    .tuple(attributes, fc.integer({ min: 3000, max: 4095 }))
    .map(([base, size]) => ({ ...base, kind: 'symlink' as const, target: 't'.repeat(size) })),
  fc
    .tuple(attributes, fc.constantFrom('character' as const, 'block' as const), fc.nat(0xfff), fc.nat(0xfffff))
    .map(([base, kind, major, minor]) => ({ ...base, kind, major, minor })),
);
const { tree } = fc.letrec<{ tree: Node }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc
      .tuple(attributes, fc.array(fc.tuple(name, tie('tree')), { maxLength: 40 }))
      .map(([base, entries]) => ({ ...base, kind: 'directory' as const, entries: new Map(entries) })),
  ),
}));

function model(path: string, inode: Node, into: Record<string, unknown>): void {
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, kind } = inode;
  const values = Object.fromEntries(xattrs.map((xattr) => [xattr.name, Buffer.from(xattr.value).toString('latin1')]));
  into[path] = {
    kind,
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs: values,
    ...(kind === 'file' ? { content: 'x'.repeat(inode.size) } : {}),
    ...(kind === 'symlink' ? { content: inode.target } : {}),
    ...(kind === 'character' || kind === 'block' ? { major: inode.major, minor: inode.minor } : {}),
    ...(kind === 'directory'
      ? { links: 2 + [...(inode.entries?.values() ?? [])].filter((x) => x.kind === 'directory').length }
      : {}),
  };
  for (const [key, child] of inode.entries ?? []) model(`${path}/${key}`, child, into);
}

test('a random tree is read back as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(attributes, fc.array(fc.tuple(name, tree), { maxLength: 60 }), async (base, entries) => {
      const files = new FileTree(base);
      const root: Node = { ...base, kind: 'directory', entries: new Map(entries) };
      plant(files, files.root, root.entries ?? []);
      const expected: Record<string, unknown> = {};
      model('', root, expected);
      const actual = await describeBlob(await blobOf(files));
      const found = Object.fromEntries(
        Object.entries(actual).map(([path, value]) => [path === '' ? '' : `/${path}`, value]),
      );
      assert.deepEqual(Object.keys(found).toSorted(), Object.keys(expected).toSorted());
      assert.partialDeepStrictEqual(found, expected);
    }),
    { numRuns: 60 },
  );
});

test('a directory of many blocks is sorted across them', async () => {
  const base = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: [] };
  const files = new FileTree(base);
  for (let index = 0; index < 3000; index++) {
    const key = `${index % 7 === 0 ? '!' : ''}name-${index}`;
    files.set(files.root, key, files.add({ ...base, kind: 'file', size: 0, data: 0 }));
  }
  const reader = await openErofs(readFrom(await blobOf(files)));
  const names: string[] = [];
  for await (const entry of reader.list(reader.root)) names.push(entry.name);
  assert.deepEqual(names, [...files.entries(files.root).keys()].toSorted());
  assert.equal(reader.inodes, 3001);
});

test('a broken blob is refused, or read, but never anything else', async () => {
  const base = {
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    xattrs: [{ name: 'user.a', value: Buffer.from('b') }],
  };
  const files = new FileTree(base);
  const holes = { chunkBits: 0, runs: [{ firstChunk: 3, count: 1, firstBlock: 1 }] };
  plant(files, files.root, [
    ['f', { ...base, kind: 'file', size: 10, data: 1 }],
    ['s', { ...base, kind: 'file', size: 90_000, data: holes }],
    ['l', { ...base, kind: 'symlink', target: 'f' }],
  ]);
  const blob = await blobOf(files);
  const mutation = fc.record({ at: fc.integer({ min: 8192, max: blob.length - 1 }), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 5 }), async (mutations) => {
      const broken = Buffer.from(blob);
      for (const { at, byte } of mutations) broken[at] = byte;
      try {
        const reader = await openErofs(readFrom(broken));
        for await (const { nid } of reader.list(reader.root)) {
          const inode = await reader.inode(nid);
          if (inode.size < 1 << 20) for await (const _ of reader.read(inode));
        }
      } catch (error) {
        assert.ok(error instanceof LarderError && error.code === 'erofs.corrupt', String(error));
      }
    }),
    { numRuns: 200 },
  );
  blob[2000] = 1;
  await assert.rejects(openErofs(readFrom(blob)), { code: 'erofs.corrupt' });
});

test('crc32c is the Castagnoli one', () => {
  // RFC 3720, B.4: 32 bytes of zeros; there inverted at the end.
  assert.equal(~crc32c(Buffer.alloc(32)) >>> 0, 0x8a9136aa);
});
