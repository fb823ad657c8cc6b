import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { digestOfHex } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { convertLayer } from './convert-layer.ts';
import type { LayerLimits } from './limits.ts';
import type { LowerInode } from './lower.ts';
import { convertTar, describeBlob, digestOf, memorySink, pieces } from './testing/memory.ts';
import { END_OF_ARCHIVE, entryBytes, number, paxRecord, type TestEntry, tarOf } from './testing/tar-writer.ts';

const file = (path: string, content = path, more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  data: Buffer.from(content, 'latin1'),
  ...more,
});
const directory = (path: string, more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  type: '5',
  mode: 0o755,
  ...more,
});
const symlink = (path: string, linkPath: string): TestEntry => ({ path, type: '2', linkPath });
const link = (path: string, linkPath: string): TestEntry => ({ path, type: '1', linkPath });

async function treeOf(...entries: TestEntry[]) {
  const { blob } = await convertTar(tarOf(entries));
  return describeBlob(blob);
}

const rejectsWith = (code: string, entries: TestEntry[], options: Parameters<typeof convertTar>[1] = {}) =>
  assert.rejects(convertTar(tarOf(entries), options), (error) => error instanceof LarderError && error.code === code);

const isWhiteout = (entry: { kind: string; major: number; minor: number } | undefined) =>
  entry?.kind === 'character' && entry.major === 0 && entry.minor === 0;

test('an empty layer is legal, with and without the end mark', async () => {
  for (const tar of [Buffer.alloc(0), END_OF_ARCHIVE, Buffer.alloc(512), Buffer.alloc(10_240)]) {
    const { blob, entries, contentBytes } = await convertTar(tar);
    assert.deepEqual(Object.keys(await describeBlob(blob)), ['']);
    assert.deepEqual({ entries, contentBytes }, { entries: 0, contentBytes: 0 });
  }
});

test('attributes survive: mode bits, large ids, devices, negative and sub-second times', async () => {
  const tree = await treeOf(
    directory('./', { mode: 0o1777, mtime: -5 }),
    file('set', 'x', { mode: 0o6755, uid: 4_294_967_294, gid: 70_000, mtime: -1_000_000 }),
    file('pax', 'y', { pax: { uid: '99999', gid: '3000000000', mtime: '-1.25', 'SCHILY.xattr.user.a': 'b' } }),
    file('ns', 'z', { pax: { mtime: '1700000000.1234567899' } }),
    { path: 'tty', type: '3', devMajor: 0xfff, devMinor: 0xfffff },
    { path: 'disk', type: '4', devMajor: 8, devMinor: 300 },
    { path: 'pipe', type: '6', mode: 0o600 },
  );
  assert.equal(tree['']?.mode, 0o1777);
  assert.equal(tree['']?.mtimeSec, -5);
  assert.deepEqual([tree.set?.mode, tree.set?.uid, tree.set?.gid], [0o6755, 4_294_967_294, 70_000]);
  assert.equal(tree.set?.mtimeSec, -1_000_000);
  assert.deepEqual([tree.pax?.uid, tree.pax?.gid], [99_999, 3_000_000_000]);
  assert.deepEqual([tree.pax?.mtimeSec, tree.pax?.mtimeNsec], [-2, 750_000_000]);
  assert.deepEqual([tree.ns?.mtimeSec, tree.ns?.mtimeNsec], [1_700_000_000, 123_456_789]);
  assert.deepEqual(tree.pax?.xattrs, { 'user.a': 'b' });
  assert.deepEqual([tree.tty?.kind, tree.tty?.major, tree.tty?.minor], ['character', 0xfff, 0xfffff]);
  assert.deepEqual([tree.disk?.kind, tree.disk?.major, tree.disk?.minor], ['block', 8, 300]);
  assert.deepEqual([tree.pipe?.kind, tree.pipe?.mode], ['fifo', 0o600]);
});

test('long names, by GNU and by pax, and names that are not UTF-8', async () => {
  const long = `${'d'.repeat(200)}/${'f'.repeat(250)}`;
  const tree = await treeOf(
    file('short', 'gnu', { gnuLongName: long }),
    file('short', 'pax', { pax: { path: `p/${'q'.repeat(255)}` } }),
    { path: 'link', type: '2', linkPath: 'cut', gnuLongLink: 't'.repeat(3000) },
    file('\xff\xfe\x80'),
    { ...file('prefixed'), patch: (header) => header.write('some/prefix', 345, 'latin1') },
  );
  assert.equal(tree[long]?.content, 'gnu');
  assert.equal(tree[`p/${'q'.repeat(255)}`]?.content, 'pax');
  assert.equal(tree.link?.content, 't'.repeat(3000));
  assert.equal(tree['\xff\xfe\x80']?.content, '\xff\xfe\x80');
  assert.equal(tree['some/prefix/prefixed']?.content, 'prefixed');
});

test('paths can not leave the root', async () => {
  const tree = await treeOf(
    file('../../up'),
    file('/abs'),
    file('a/../../b'),
    symlink('out', '../../../..'),
    file('out/through'),
    symlink('root', '/'),
    file('root/x/y'),
    link('hard', '../../../abs'),
  );
  assert.deepEqual(Object.keys(tree).toSorted(), ['', 'abs', 'b', 'hard', 'out', 'root', 'through', 'up', 'x', 'x/y']);
  assert.equal(tree.hard?.nid, tree.abs?.nid);
});

test('the last of duplicate entries wins; a directory keeps its children', async () => {
  const tree = await treeOf(
    file('a', 'old'),
    file('a', 'new'),
    directory('d', { mode: 0o700 }),
    file('d/x'),
    directory('d', { mode: 0o711 }),
    file('e', 'file'),
    directory('e'),
    file('e/x'),
    directory('f'),
    file('f/x'),
    file('f', 'file again'),
    file('g', 'a parent that is a file'),
    file('g/x'),
  );
  assert.equal(tree.a?.content, 'new');
  assert.equal(tree.d?.mode, 0o711);
  assert.equal(tree['d/x']?.content, 'd/x');
  assert.deepEqual(tree.e?.xattrs, { 'trusted.overlay.opaque': 'y' });
  assert.equal(tree.f?.content, 'file again');
  assert.equal(tree['g/x']?.content, 'g/x');
});

test('hard links share an inode, and survive what happens to the first name', async () => {
  const { blob, contentBytes } = await convertTar(
    tarOf([file('a', 'data'), link('b', 'a'), link('c', './b'), file('a', 'other'), link('c', 'c')]),
  );
  const tree = await describeBlob(blob);
  assert.deepEqual([tree.b?.links, tree.b?.nid, tree.b?.content], [2, tree.c?.nid, 'data']);
  assert.deepEqual([tree.a?.links, tree.a?.content], [1, 'other']);
  assert.equal(contentBytes, 9);
  await rejectsWith('layers.invalid-entry', [directory('d'), link('x', 'd')]);
});

test('whiteouts hide lower names only; opaque directories hold none', async () => {
  const tree = await treeOf(
    file('d/.wh.gone', ''),
    file('.wh.kept', ''),
    file('kept'),
    file('kept2'),
    file('.wh.kept2', ''),
    directory('dir1'),
    file('dir1/x'),
    file('.wh.dir1', ''),
    file('.wh.dir2', ''),
    directory('dir2'),
    file('o/.wh.inner', ''),
    file('o/.wh..wh..opq', ''),
    file('o/sub/.wh.deep', ''),
    file('.wh..wh.plnk/1.2', ''),
    file('w/.wh.x', ''),
    file('.wh.w', ''),
  );
  assert.ok(isWhiteout(tree['d/gone']));
  assert.equal(tree.kept?.content, 'kept');
  assert.equal(tree.kept2?.content, 'kept2');
  assert.deepEqual(tree.dir1?.xattrs, { 'trusted.overlay.opaque': 'y' });
  assert.ok(tree['dir1/x']);
  assert.deepEqual(tree.dir2?.xattrs, { 'trusted.overlay.opaque': 'y' });
  assert.deepEqual(tree.o?.xattrs, { 'trusted.overlay.opaque': 'y' });
  assert.deepEqual(
    Object.keys(tree).filter((path) => path.startsWith('o/')),
    ['o/sub'],
  );
  assert.ok(isWhiteout(tree.w));
  assert.ok(!Object.keys(tree).some((path) => path.includes('.wh.')));
  for (const name of ['.wh.', '.wh..', '.wh...', '.wh.a/b'])
    await rejectsWith('layers.invalid-entry', [file(name, '')]);
});

test('an opaque root is reported, as overlayfs has no mark for it', async () => {
  assert.equal((await convertTar(tarOf([file('.wh..wh..opq', '')]))).isRootOpaque, true);
  assert.equal((await convertTar(tarOf([file('d/.wh..wh..opq', '')]))).isRootOpaque, false);
});

test('an image can not steer overlayfs by attributes', async () => {
  const pax = {
    'SCHILY.xattr.trusted.overlay.redirect': '/etc',
    'SCHILY.xattr.user.overlay.opaque': 'y',
    'SCHILY.xattr.security.capability': Buffer.from('0100000200200000000000000000000000000000', 'hex'),
    'SCHILY.xattr.trusted.other': '\0\xff',
    'SCHILY.xattr.security.selinux': 'label',
    'LIBARCHIVE.xattr.user.%41b': Buffer.from('value').toString('base64'),
  };
  const tree = await treeOf(file('f', '', { pax }));
  assert.deepEqual(Object.keys(tree.f?.xattrs ?? {}).toSorted(), ['security.capability', 'trusted.other', 'user.Ab']);
  assert.equal(tree.f?.xattrs['user.Ab'], 'value');
});

function sparseContent(size: number, segments: readonly [number, string][]): string {
  const bytes = Buffer.alloc(size);
  for (const [offset, text] of segments) bytes.write(text, offset, 'latin1');
  return bytes.toString('latin1');
}

test('sparse files in all four forms of GNU tar', async () => {
  const segments: [number, string][] = [
    [0, 'head'],
    [5000, 'middle'],
    [300_000, 'tail'],
  ];
  const data = segments.map(([, text]) => text).join('');
  const map = segments.flatMap(([offset, text]) => [offset, text.length]);
  const size = 400_001;
  const stored = Buffer.from(data, 'latin1');
  const repeated = Buffer.concat([
    paxRecord('GNU.sparse.size', `${size}`),
    paxRecord('GNU.sparse.numblocks', '3'),
    ...map.map((value, index) => paxRecord(`GNU.sparse.${index % 2 === 0 ? 'offset' : 'numbytes'}`, `${value}`)),
  ]);
  const map10 = Buffer.from(`3\n${map.join('\n')}\n`);
  const padded = Buffer.concat([map10, Buffer.alloc(-map10.length & 511), stored]);
  const tree = await treeOf(
    file('a', data, {
      pax: { 'GNU.sparse.size': `${size}`, 'GNU.sparse.numblocks': '3', 'GNU.sparse.map': map.join(',') },
    }),
    {
      path: 'GNUSparseFile.0/b',
      data: padded,
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'b',
        'GNU.sparse.realsize': `${size}`,
      },
    },
    {
      path: 'c',
      type: 'S',
      data: stored,
      patch(header) {
        header.write('ustar  \0', 257, 'latin1');
        for (const [index, value] of map.entries()) number(header, 386 + index * 12, 12, value);
        number(header, 483, 12, size);
      },
    },
    { path: 'pax', type: 'x', data: repeated },
    file('d', data),
  );
  for (const name of ['a', 'b', 'c', 'd']) {
    assert.equal(tree[name]?.size, size);
    assert.ok(tree[name]?.content === sparseContent(size, segments), `content of ${name}`);
  }
  const broken = { 'GNU.sparse.size': '10', 'GNU.sparse.numblocks': '1', 'GNU.sparse.map': '8,4' };
  await rejectsWith('layers.corrupt', [file('a', 'data', { pax: broken })]);
});

test('a huge sparse file takes little room', async () => {
  const size = 8 * 2 ** 30;
  const map = [0, 4, 2 ** 32 + 77, 4, size - 4, 4];
  const pax = { 'GNU.sparse.size': `${size}`, 'GNU.sparse.numblocks': '3', 'GNU.sparse.map': map.join(',') };
  const { blobBytes, contentBytes } = await convertTar(tarOf([file('a', 'aaaabbbbcccc', { pax })]));
  assert.equal(contentBytes, size);
  assert.ok(blobBytes < 1 << 20, `${blobBytes} bytes`);
});

test('a hard link into a lower layer needs the lower layers', async () => {
  const entries = [directory('./'), directory('usr'), link('usr/b', 'lib/a'), file('.wh.lib', '')];
  await rejectsWith('layers.link-outside-layer', entries);
  const attributes = { uid: 5, gid: 6, mtimeSec: 7, mtimeNsec: 8, xattrs: [] };
  const lower: Record<string, () => LowerInode> = {
    'lib/a': () => ({ ...attributes, kind: 'file', mode: 0o4755, size: 3, data: one(Buffer.from('abc')) }),
    tmp: () => ({ ...attributes, kind: 'directory', mode: 0o1777 }),
  };
  const { blob, usedLower, implicitDirectories } = await convertTar(
    tarOf([directory('./'), directory('usr'), link('usr/b', 'lib/a'), file('tmp/x'), file('none/.wh.x', '')]),
    { lower: (path) => Promise.resolve(lower[path]?.()) },
  );
  const tree = await describeBlob(blob);
  assert.equal(usedLower, true);
  assert.deepEqual(implicitDirectories.toSorted(), ['none', 'tmp']);
  assert.deepEqual([tree['usr/b']?.content, tree['usr/b']?.mode, tree['usr/b']?.links], ['abc', 0o4755, 2]);
  assert.equal(tree['lib/a']?.nid, tree['usr/b']?.nid);
  assert.deepEqual([tree.tmp?.mode, tree.tmp?.uid], [0o1777, 5]);
  assert.equal(tree.none, undefined);
});

async function* one(bytes: Buffer) {
  await Promise.resolve();
  yield bytes;
}

test('what is wrong is refused by name', async () => {
  const tar = tarOf([file('a')]);
  const other = digestOfHex('0'.repeat(64));
  await rejectsWith('layers.digest-mismatch', [file('a')], { expectedDigest: other });
  await rejectsWith('layers.diffid-mismatch', [file('a')], { expectedDiffId: other });
  await rejectsWith('layers.size-mismatch', [file('a')], { expectedBytes: tar.length + 1 });
  await rejectsWith('layers.size-mismatch', [file('a')], { expectedBytes: tar.length - 1 });
  await rejectsWith('layers.unsupported', [{ path: 'v', type: 'V' }]);
  await rejectsWith('layers.invalid-entry', [file('a', 'a', { uid: 4_294_967_295 })]);
  await rejectsWith('layers.invalid-entry', [file('a', 'a', { pax: { uid: '-1' } })]);
  await rejectsWith('layers.invalid-entry', [{ path: 'c', type: '3', devMajor: 0x1000 }]);
  await rejectsWith('layers.limit', [symlink('a', 'b'), symlink('b', 'a'), file('a/x')]);
  await rejectsWith('layers.invalid-entry', [file('./', 'a root that is a file')]);
  await rejectsWith('layers.limit', [file('a', 'a', { pax: { path: 'n'.repeat(256) } })]);
  await rejectsWith('layers.limit', [file('a', 'a', { pax: { path: 'n/'.repeat(2100) } })]);
  await rejectsWith('layers.limit', [file('a', 'a', { pax: { path: 'n/'.repeat(600) } })]);
  await rejectsWith('layers.limit', [file('a'), file('b')], { limits: { maxEntries: 1 } });
  await rejectsWith('layers.limit', [file('a')], { limits: { maxTarBytes: 1000 } });
  const sparse = { 'GNU.sparse.size': `${2 ** 60}`, 'GNU.sparse.map': '0,1' };
  await rejectsWith('layers.corrupt', [file('a', 'a', { pax: sparse })]);
  await assert.rejects(convertTar(tarOf([file('a', 'x'.repeat(300))]).subarray(0, 700)), { code: 'layers.corrupt' });
  await assert.rejects(convertTar(Buffer.from('no tar at all'.repeat(100))), { code: 'layers.corrupt' });
});

test('what would take memory or time without end is refused by name', async () => {
  const deep = (index: number) => file(`${index}/${'d/'.repeat(40)}f`);
  const sparse = (size: string) =>
    file('f', '', {
      pax: { 'GNU.sparse.major': '0', 'GNU.sparse.minor': '1', 'GNU.sparse.size': size, 'GNU.sparse.map': '' },
    });
  const cases: [RegExp, Buffer, Partial<LayerLimits>?][] = [
    [/limit maxEntries/, tarOf([deep(1), deep(2), deep(3)]), { maxEntries: 100 }],
    [/limit maxDirectories/, tarOf([deep(1), deep(2), deep(3)]), { maxDirectories: 100 }],
    [
      /limit maxExtensionBytes/,
      tarOf([file('a', '', { pax: { a: 'b' } }), file('b', '', { pax: { a: 'b' } })]),
      { maxExtensionBytes: 1000 },
    ],
    [/limit maxTrailingBytes/, Buffer.concat([tarOf([file('a')]), Buffer.alloc(5000)]), { maxTrailingBytes: 4000 }],
    [/limit maxNameBytes/, tarOf([file('a', '', { pax: { [`SCHILY.xattr.user.${'n'.repeat(251)}`]: 'x' } })])],
    [/a negative size/, tarOf([sparse('-5')])],
    [/limit maxPaxRecords/, tarOf([{ path: 'p', type: 'x', data: Buffer.from('6 a=b\n'.repeat(10_001)) }, file('f')])],
  ];
  for (const [message, tar, limits = {}] of cases) await assert.rejects(convertTar(tar, { limits }), { message });
});

test('a file larger than the blob may become is refused before it is read, holes or not', async () => {
  const options = (maxBytes: number) => ({
    sink: {
      ...memorySink(),
      writev: () => Promise.resolve(),
      reserve(blobBytes: number) {
        if (blobBytes > maxBytes) throw new LarderError('test.too-large', 'too large');
      },
    },
  });
  const tar = Buffer.concat([entryBytes(file('zeros', '', { size: 2 ** 36 })), Buffer.alloc(512)]);
  const digest = digestOf(tar);
  const convert = (maxBytes: number) =>
    convertLayer(pieces(tar, 4096), {
      compression: 'none',
      expectedDigest: digest,
      expectedDiffId: digest,
      ...options(maxBytes),
    });
  await assert.rejects(convert(2 ** 30), { code: 'test.too-large' });
  await assert.rejects(convert(2 ** 40), { code: 'layers.corrupt' });
});

test('the caller is asked once before a tree takes much memory, and may refuse', async () => {
  const refusal = new Error('not now');
  let asked = 0;
  const onLarge = async () => {
    asked++;
    throw refusal;
  };
  const names = (count: number) => Array.from({ length: count }, (_, index) => link(`${index}`, 'x'));
  await convertTar(tarOf([file('x'), ...names(1000)]), { onLarge });
  assert.equal(asked, 0);
  await assert.rejects(convertTar(tarOf([file('x'), ...names(130_000)]), { onLarge }), refusal);
  assert.equal(asked, 1);
});

test('an aborted conversion rejects with the reason', async () => {
  const reason = new Error('enough');
  await assert.rejects(convertTar(tarOf([file('a')]), { signal: AbortSignal.abort(reason) }), reason);
});

test('however the stream is cut, the blob is the same', async () => {
  const tar = tarOf([
    file('x', 'x'.repeat(10_000)),
    directory('d'),
    file('d/y', '', { pax: { path: 'd/long' } }),
    symlink('s', 'x'),
  ]);
  const whole = await convertTar(tar);
  for (const pieceBytes of [1, 7, 511, 512, 513, 4096]) {
    assert.ok(whole.blob.equals((await convertTar(tar, { pieceBytes })).blob), `pieces of ${pieceBytes}`);
  }
});

const nameOf = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', '\xe9', '!', '~'), minLength: 1, maxLength: 6 });
const cleanName = nameOf.filter((name) => name !== '.' && name !== '..' && !name.startsWith('.wh.'));

test('random flat tars equal a simple model', async () => {
  const entry = fc.record({
    name: cleanName,
    inside: fc.option(cleanName),
    size: fc.oneof(fc.nat(100), fc.constantFrom(4095, 4096, 4097, 8192)),
    fill: fc.nat(255),
    mode: fc.nat(0o7777),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 30 }), async (list) => {
      const model = new Map<string, { mode: number; content: string }>();
      const entries = list.map(({ name, inside, size, fill, mode }) => {
        const path = inside === null ? `f${name}` : `d${name}/${inside}`;
        const content = String.fromCharCode(fill).repeat(size);
        model.set(path, { mode, content });
        return file(path, content, { mode });
      });
      const tree = await treeOf(...entries);
      const files = Object.entries(tree).filter(([, { kind }]) => kind === 'file');
      assert.deepEqual(
        new Map(files.map(([path, { mode, content }]) => [path, { mode, content }])),
        new Map([...model].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      );
    }),
    { numRuns: 50 },
  );
});

test('mutated tars give a blob or a LarderError, nothing else', async () => {
  const seed = tarOf([
    file('a', 'x'.repeat(700), { pax: { mtime: '1.5', 'SCHILY.xattr.user.a': 'b' } }),
    directory('d'),
    link('d/l', 'a'),
    symlink('s', 'd'),
    file('s/x'),
    file('.wh.q', ''),
    file('z', 'dd', { pax: { 'GNU.sparse.size': '9000', 'GNU.sparse.numblocks': '1', 'GNU.sparse.map': '8000,2' } }),
  ]);
  const mutation = fc.record({ at: fc.nat(seed.length - 1), byte: fc.nat(255), fixChecksum: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      fc.nat(seed.length),
      async (mutations, cut) => {
        const tar = Buffer.from(seed);
        for (const { at, byte, fixChecksum } of mutations) {
          tar[at] = byte;
          if (fixChecksum) fixHeader(tar, at & ~511);
        }
        const bytes = cut % 5 === 0 ? tar.subarray(0, cut) : tar;
        const blob = await convertTar(bytes).then(
          (layer) => layer.blob,
          (error: unknown) => assert.ok(error instanceof LarderError, String(error)),
        );
        if (blob) await describeBlob(blob);
      },
    ),
    { numRuns: 400 },
  );
});

function fixHeader(tar: Buffer, start: number): void {
  const header = tar.subarray(start, start + 512);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
}

test('a member may end without its padding, as Go reads it', async () => {
  const bytes = entryBytes(file('a', 'abc'));
  const tree = await describeBlob((await convertTar(bytes.subarray(0, 515))).blob);
  assert.equal(tree.a?.content, 'abc');
});

test('the same layer gives the same bytes on every machine: a blob that is known by its digest', async () => {
  const { blobDigest } = await convertTar(
    tarOf([
      directory('etc'),
      file('etc/one', 'content', { mtime: 1_600_000_000, uid: 70_000 }),
      link('etc/two', 'etc/one'),
      symlink('etc/three', 'one'),
      file('etc/.wh.gone', ''),
      file('large', 'x'.repeat(100_000), { pax: { 'SCHILY.xattr.user.a': 'b' } }),
    ]),
  );
  // Another digest here means that every blob that anybody has built differs from what this version builds.
  assert.equal(blobDigest, 'sha256:01837f72d39da6ff702e81264ecd4d0f48945beec9d7ebe453df86f4a7dc03eb');
});
