import { smallLayer } from '../../support/oddities-image.ts';
import { firstLayer, secondLayer, thirdLayer } from '../../support/oddities-layers.ts';
import { writeTar } from '../../support/tar-writer.ts';
import { type Attack, type HostileCase, tarCase } from './corpus.ts';
import { directory, file, hardLink, putBigNumber, symlink, type TestEntry, tarOf } from './corpus-tar.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

function layers(
  row: Attack,
  cases: readonly (readonly [string, readonly TestEntry[] | readonly TestEntry[][], HostileCase['expect']])[],
) {
  return cases.map(([name, entries, expect]) => {
    const isNested = (list: typeof entries): list is readonly TestEntry[][] => Array.isArray(list[0]);
    const tars = isNested(entries) ? entries.map((each) => tarOf(each)) : [tarOf(entries)];
    return tarCase(row, name, tars, expect);
  });
}

const CANARY = '/tmp/larder-canary';
const NUL = /name with a NUL|record with a NUL/;
const WHITEOUT = /an invalid whiteout/;

/** Names and links that lead out of where an image is unpacked, in the forms that worked against others. */
export const ESCAPES: readonly HostileCase[] = layers('escape', [
  ['.. first', [file('../../../tmp/larder-canary')], { tmp: 'directory', 'tmp/larder-canary': 'file=x' }],
  ['.. in the middle', [file('a/../../../b')], { b: 'file=x' }],
  ['.. at the end', [directory('a/..'), file('a/b/..')], { a: 'file=x' }],
  ['an absolute name', [file(`/${CANARY}`)], { tmp: 'directory', 'tmp/larder-canary': 'file=x' }],
  ['a name of slashes', [file('///'), file('x')], /a root that is no directory/],
  ['an empty name', [file('')], /a root that is no directory/],
  ['only dots', [file('./.')], /a root that is no directory/],
  [
    'through an absolute symlink of the same layer (2014-6407, 2021-37701)',
    [symlink('out', '/tmp'), file('out/larder-canary')],
    { out: 'symlink→/tmp', tmp: 'directory', 'tmp/larder-canary': 'file=x' },
  ],
  [
    'through a relative symlink above the root',
    [symlink('out', '../../../../tmp'), file('out/larder-canary')],
    { out: 'symlink→../../../../tmp', tmp: 'directory', 'tmp/larder-canary': 'file=x' },
  ],
  [
    'through two symlinks (2025-48387)',
    [symlink('one', '.'), symlink('one/two', '..'), file('one/two/x')],
    { one: 'symlink→.', two: 'symlink→..', x: 'file=x' },
  ],
  [
    'through a symlink of a lower layer',
    [[symlink('out', '/etc')], [file('out/passwd', 'root::0:0')]],
    { etc: 'directory', 'etc/passwd': 'file=root::0:0' },
  ],
  [
    'through symlinks of two lower layers',
    [[symlink('a', '/b')], [symlink('b', '../../c')], [file('a/x')]],
    { c: 'directory', 'c/x': 'file=x' },
  ],
  ['a symlink to itself', [symlink('loop', 'loop'), file('loop/x')], /limit maxSymlinks/],
  ['symlinks in a ring of two layers', [[symlink('a', 'b'), symlink('b', 'a')], [file('a/x')]], /limit maxSymlinks/],
  [
    'a symlink replaced by a directory and back (2018-15664)',
    [symlink('d', '/tmp'), directory('d'), file('d/larder-canary'), symlink('d', '/etc'), file('d/x')],
    { d: 'symlink→/etc', etc: 'directory', 'etc/x': 'file=x' },
  ],
  [
    'a hard link to an absolute path',
    [hardLink('passwd', '/etc/passwd')],
    /hard link to "etc\/passwd"|a hard link to nothing/,
  ],
  [
    'a hard link with .. (2024-12905)',
    [hardLink('passwd', '../../../etc/passwd')],
    /hard link to "etc\/passwd"|a hard link to nothing/,
  ],
  [
    'a hard link through a symlink that leaves (2026-23745)',
    [symlink('out', '/etc'), hardLink('shadow', 'out/shadow')],
    /hard link to "out\/shadow"|a hard link to nothing/,
  ],
  [
    'a hard link to a symlink that leaves, written through',
    [symlink('out', '/tmp/larder-canary'), hardLink('in', 'out'), file('in/x')],
    {
      out: 'symlink→/tmp/larder-canary',
      in: 'symlink→/tmp/larder-canary',
      tmp: 'directory',
      'tmp/larder-canary': 'directory',
      'tmp/larder-canary/x': 'file=x',
    },
  ],
  ['a hard link to itself', [hardLink('a', 'a')], /hard link/],
  ['a hard link to a directory', [directory('d'), hardLink('h', 'd')], /a hard link to a directory/],
  ['a hard link to the root', [hardLink('h', '/')], /a hard link to a directory/],
  ['a hard link to a lower directory', [[directory('d')], [hardLink('h', 'd')]], /a hard link to a directory/],
  [
    'a hard link to a lower name that is hidden',
    [[file('f')], [file('.wh.f', ''), hardLink('h', 'f')]],
    { h: 'file=x', f: 'whiteout' },
  ],
  [
    'a pax path that overrides a harmless name',
    [file('harmless', 'x', { pax: { path: '../../etc/cron.d/evil' } })],
    { etc: 'directory', 'etc/cron.d': 'directory', 'etc/cron.d/evil': 'file=x' },
  ],
  [
    'a pax linkpath that overrides a harmless target',
    [symlink('s', 'harmless', { pax: { linkpath: '/tmp/larder-canary' } }), file('s/x')],
    {
      s: 'symlink→/tmp/larder-canary',
      tmp: 'directory',
      'tmp/larder-canary': 'directory',
      'tmp/larder-canary/x': 'file=x',
    },
  ],
  [
    'a GNU sparse name that overrides',
    [
      file('a', '', {
        pax: {
          'GNU.sparse.major': '0',
          'GNU.sparse.minor': '1',
          'GNU.sparse.name': '/../../x',
          'GNU.sparse.size': '0',
          'GNU.sparse.map': '',
        },
      }),
    ],
    { x: 'file=' },
  ],
  ['a GNU long name with ..', [file('a', 'x', { gnuLongName: '../../../x' })], { x: 'file=x' }],
  [
    'a GNU long link with ..',
    [symlink('s', 'a', { gnuLongLink: '../../../tmp' }), file('s/x')],
    { s: 'symlink→../../../tmp', tmp: 'directory', 'tmp/x': 'file=x' },
  ],
  // Go ends the name at the first NUL, too: what is checked and what is used are one name.
  ['a GNU long name with a NUL', [file('a', 'x', { gnuLongName: 'good\0/../../evil' })], { good: 'file=x' }],
  ['a pax path with a NUL', [file('a', 'x', { pax: { path: 'good\0/../evil' } })], NUL],
  ['a name with a newline', [file('new\nline')], { 'new\nline': 'file=x' }],
  ['a name with backslashes', [file('..\\..\\windows')], { '..\\..\\windows': 'file=x' }],
  ['a name like a drive', [file('C:/x')], { 'C:': 'directory', 'C:/x': 'file=x' }],
  ['entries below a file', [file('f'), file('f/x')], { f: 'directory', 'f/x': 'file=x' }],
  [
    'entries below a device',
    [{ path: 'dev', type: '3', devMajor: 1, devMinor: 3 }, file('dev/x')],
    { dev: 'directory', 'dev/x': 'file=x' },
  ],
  ['a whiteout of ..', [file('a/.wh...', '')], WHITEOUT],
  ['a whiteout of .', [file('a/.wh..', '')], WHITEOUT],
  ['a whiteout of nothing', [file('a/.wh.', '')], WHITEOUT],
  ['a whiteout as a parent', [file('a/.wh.b/c', '')], WHITEOUT],
  ['the opaque mark as a directory', [directory('a/.wh..wh..opq'), file('a/x')], { a: 'directory', 'a/x': 'file=x' }],
  ['below the opaque mark', [file('a/.wh..wh..opq/../../x')], { x: 'file=x' }],
  ['a whiteout through a symlink', [symlink('s', '/'), file('s/.wh.etc', '')], { s: 'symlink→/', etc: 'whiteout' }],
  ['a whiteout of the root’s parent', [file('../../.wh.etc', '')], { etc: 'whiteout' }],
  ['an opaque root', [file('.wh..wh..opq', ''), file('x')], /deletes all that lies below it, at its root/],
  ['a symlink to nothing', [symlink('s', '')], /a symlink to nothing/],
  ['the tar’s root as a symlink', [symlink('./', '/etc'), file('passwd')], /a root that is no directory/],
]);

const owner = (start: number, value: bigint): TestEntry =>
  file('f', 'x', { patch: (header) => putBigNumber(header, start, 8, value) });
const NO_OWNER = /an owner that no file can have|a number beyond 2\^53|no number/;

/** Owners and modes: exact or refused. */
export const OWNERS: readonly HostileCase[] = layers('owner', [
  ['uid −1', [file('f', 'x', { uid: -1 })], NO_OWNER],
  ['uid 2^32 − 1, "no change" of chown', [file('f', 'x', { uid: 2 ** 32 - 1 })], NO_OWNER],
  ['uid 2^32, root after an overflow (2024-40635)', [file('f', 'x', { uid: 2 ** 32 })], NO_OWNER],
  ['gid 2^32', [file('f', 'x', { gid: 2 ** 32 })], NO_OWNER],
  ['uid 2^62 in base 256', [owner(108, 2n ** 54n)], NO_OWNER],
  ['a uid that is no number', [file('f', 'x', { patch: (header) => header.write('root\0', 108) })], NO_OWNER],
  ['a negative uid by pax', [file('f', 'x', { pax: { uid: '-2' } })], NO_OWNER],
  [
    'a uid by pax that overflows',
    [file('f', 'x', { pax: { uid: '18446744073709551616' } })],
    /a pax number out of range/,
  ],
  ['a uid by pax in hex', [file('f', 'x', { pax: { uid: '0x0' } })], /a pax number out of range/],
  ['a mode with bits of a type', [file('f', 'x', { mode: 0o120_4755 })], { f: 'file=x mode 4755' }],
  [
    'a mode beyond twelve bits',
    [file('f', 'x', { patch: (header) => putBigNumber(header, 100, 8, 2n ** 40n + 0o640n) })],
    { f: 'file=x mode 640' },
  ],
  [
    'a device number that is none',
    [{ path: 'd', type: '3', devMajor: 4096, devMinor: 1 }],
    /a device number that no device can have/,
  ],
  [
    'a negative device number',
    [{ path: 'd', type: '4', devMajor: -1, devMinor: 1 }],
    /a device number that no device can have/,
  ],
]);

const sparse01 = (records: Record<string, string>): TestEntry =>
  file('f', '', { pax: { 'GNU.sparse.major': '0', 'GNU.sparse.minor': '1', 'GNU.sparse.map': '', ...records } });
const oldSparse = (size: bigint): TestEntry =>
  file('f', '', {
    type: 'S',
    patch(header) {
      header.write('ustar  \0', 257, 'latin1');
      putBigNumber(header, 483, 12, size & (2n ** 88n - 1n));
      if (size < 0n) header[483] = 0xff;
    },
  });
const BROKEN_MAP = /sparse map|negative size|pax number/;
const claimed = (type: string, size: number | bigint): TestEntry => ({
  path: 'claim',
  type,
  patch: (header) => putBigNumber(header, 124, 12, BigInt(size)),
});

/** Sizes and sparse maps that claim what is not there, and headers that no reader should hold. */
export const CLAIMS: readonly HostileCase[] = layers('bomb', [
  ['a sparse file of an exabyte', [sparse01({ 'GNU.sparse.size': String(2 ** 50) })], /limit maxFileBytes/],
  [
    'a sparse file of 2^63 bytes',
    [sparse01({ 'GNU.sparse.size': '9223372036854775807' })],
    /a pax number out of range/,
  ],
  ['a sparse file of −5 bytes', [sparse01({ 'GNU.sparse.size': '-5' })], BROKEN_MAP],
  ['an old sparse file of 2^60 bytes', [oldSparse(2n ** 60n)], /a number beyond 2\^53/],
  ['an old sparse file of −5 bytes', [oldSparse(-5n)], BROKEN_MAP],
  ['a sparse file of 8 TiB, legal', [sparse01({ 'GNU.sparse.size': String(2 ** 43) })], { f: `file of ${2 ** 43}` }],
  ['sparse parts out of order', [sparse01({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '5,0,1,0' })], BROKEN_MAP],
  ['sparse parts beyond the end', [sparse01({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '8,2' })], BROKEN_MAP],
  ['a negative sparse part', [sparse01({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '5,-2' })], BROKEN_MAP],
  [
    'a sparse count that is a lie',
    [sparse01({ 'GNU.sparse.size': '9', 'GNU.sparse.numblocks': '4000000000' })],
    BROKEN_MAP,
  ],
  ['a file of 2^53 bytes', [claimed('0', 2 ** 52)], /limit maxFileBytes/],
  ['a file of −1 bytes', [file('f', '', { patch: (header) => void header.fill(0xff, 124, 136) })], /a negative size/],
  ['a pax header of 8 GiB', [claimed('x', 2 ** 33)], /limit maxHeaderBytes/],
  ['a global pax header of 8 GiB', [claimed('g', 2 ** 33)], /limit maxHeaderBytes/],
  ['a GNU long name of 8 GiB', [claimed('L', 2 ** 33)], /limit maxHeaderBytes/],
  ['a name above PATH_MAX', [file('f', 'x', { pax: { path: 'p/'.repeat(3000) } })], /limit maxPathBytes/],
  ['a name above NAME_MAX', [file('f', 'x', { pax: { path: 'n'.repeat(256) } })], /limit maxNameBytes/],
  ['a link target above PATH_MAX', [symlink('s', 't', { pax: { linkpath: 't'.repeat(5000) } })], /limit maxPathBytes/],
  ['513 directories', [directory('', { pax: { path: 'd/'.repeat(600) } })], /limit maxDepth/],
  [
    '129 attributes',
    [
      file('f', 'x', {
        pax: Object.fromEntries(Array.from({ length: 129 }, (_, n) => [`SCHILY.xattr.user.${n}`, 'x'])),
      }),
    ],
    /limit maxXattrs/,
  ],
  [
    'attributes of 200 KB',
    [file('f', 'x', { pax: { 'SCHILY.xattr.user.a': 'x'.repeat(200_000) } })],
    /limit maxXattrBytes/,
  ],
  [
    'an attribute of 65,536 bytes, as much as Linux takes and one more than EROFS',
    [file('f', 'x', { pax: { 'SCHILY.xattr.user.a': 'x'.repeat(65_536) } })],
    /limit maxXattrValueBytes/,
  ],
  [
    'an attribute of 65,535 bytes, legal',
    [file('f', 'x', { pax: { 'SCHILY.xattr.user.a': 'x'.repeat(65_535) } })],
    { f: 'file=x' },
  ],
  [
    'an attribute with a name of 1,000 bytes',
    [file('f', 'x', { pax: { [`SCHILY.xattr.user.${'n'.repeat(1000)}`]: 'x' } })],
    /limit maxNameBytes/,
  ],
  [
    '10,001 pax records',
    [{ path: 'p', type: 'x', data: latin1('6 a=b\n'.repeat(10_001)) }, file('f')],
    /limit maxPaxRecords/,
  ],
  [
    'pax headers one after the other',
    [{ path: 'p', type: 'x', data: latin1('12 path=aaa\n') }, file('f', 'x', { pax: { mtime: '1' } })],
    { f: 'file=x' },
  ],
  ['a pax header at the end', [file('f'), { path: 'p', type: 'x', data: latin1('12 path=aaa\n') }], { f: 'file=x' }],
  [
    'a pax record whose length is a lie',
    [{ path: 'p', type: 'x', data: latin1('9999999999 path=a\n') }, file('f')],
    /a broken pax record/,
  ],
  [
    'a pax record of length 0',
    [{ path: 'p', type: 'x', data: latin1('0 path=a\n') }, file('f')],
    /a broken pax record/,
  ],
  ['a broken ACL', [file('f', 'x', { pax: { 'SCHILY.xattr.system.posix_acl_access': 'junk' } })], /ACL/],
  ['a time that is no number', [file('f', 'x', { pax: { mtime: '1e400' } })], /a pax time that is no number/],
  ['a time beyond 2^53', [file('f', 'x', { pax: { mtime: '99999999999999999999' } })], /a pax number out of range/],
  ['an unknown type', [file('f', 'x', { type: 'V' })], /unknown type/],
]);

const written = (entries: Parameters<typeof writeTar>[0]) => Buffer.concat([...writeTar(entries)]);

/** What is odd and legal. That what is mounted equals umoci's unpacking is for test/e2e/equality.test.ts. */
export const ODDITIES: readonly HostileCase[] = [
  tarCase('oddity', 'all that layers may hold', [firstLayer(), secondLayer(), thirdLayer()].map(written), 'Ready'),
  tarCase(
    'oddity',
    '127 layers',
    Array.from({ length: 127 }, (_, index) => written(smallLayer(index))),
    'Ready',
  ),
];
