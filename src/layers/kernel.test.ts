import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithout } from '../../test/support/requirements.ts';
import { convertTar } from './testing/memory.ts';
import { number, type TestEntry, tarOf } from './testing/tar-writer.ts';

const skip = skipWithout({
  root: true,
  tools: ['getfattr', 'fsck.erofs', 'tar'],
  filesystems: ['erofs'],
  loopDevices: true,
});

/** Mounts a blob for the length of `look`. */
async function withMount(blob: Buffer, look: (mount: string, folder: string) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'larder-layer-'));
  const [image, mount] = [join(folder, 'layer.erofs'), join(folder, 'mount')];
  mkdirSync(mount);
  writeFileSync(image, blob);
  let isMounted = false;
  try {
    const fsck = spawnSync('fsck.erofs', ['--extract', image], { encoding: 'latin1' });
    assert.equal(fsck.status, 0, fsck.stdout + fsck.stderr);
    const mounting = spawnSync('mount', ['-t', 'erofs', '-o', 'ro,loop', image, mount], { encoding: 'latin1' });
    assert.equal(mounting.status, 0, mounting.stderr);
    isMounted = true;
    await look(mount, folder);
  } finally {
    if (isMounted) execFileSync('umount', [mount]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All facts of a tree, one line per fact; the same tree on another file system gives the same lines. */
function factsOf(root: string): string[] {
  const lines: string[] = [];
  const firstNames = new Map<bigint, string>();
  function visit(path: Buffer, name: string): void {
    const stat = lstatSync(path, { bigint: true });
    const isDirectory = stat.isDirectory();
    const first = firstNames.get(stat.ino) ?? name;
    firstNames.set(stat.ino, first);
    lines.push(
      [
        name,
        `mode ${stat.mode.toString(8)} owner ${stat.uid}:${stat.gid} mtime ${stat.mtimeNs} rdev ${stat.rdev}`,
        isDirectory ? '' : `size ${stat.size} links ${stat.nlink} same as ${first}`,
        stat.isFile() && stat.size < 1 << 24 ? createHash('sha256').update(readFileSync(path)).digest('hex') : '',
        stat.isSymbolicLink() ? readlinkSync(path, 'buffer').toString('latin1') : '',
      ].join(' | '),
    );
    if (!isDirectory) return;
    const names = readdirSync(path, { encoding: 'buffer' }).toSorted((a, b) => a.compare(b));
    for (const child of names)
      visit(Buffer.concat([path, Buffer.from('/'), child]), `${name}/${child.toString('latin1')}`);
  }
  visit(Buffer.from(root), '.');
  const dump = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: root,
    encoding: 'latin1',
  });
  return [
    ...lines,
    ...dump
      .split('\n\n')
      .filter((block) => block !== '')
      .toSorted(),
  ];
}

const aclOf = (entries: readonly [tag: number, permissions: number, id: number][]): Buffer =>
  Buffer.concat([
    Buffer.from([2, 0, 0, 0]),
    ...entries.map(([tag, permissions, id]) => {
      const entry = Buffer.alloc(8);
      entry.writeUInt16LE(tag, 0);
      entry.writeUInt16LE(permissions, 2);
      entry.writeUInt32LE(id, 4);
      return entry;
    }),
  ]);
const NO_ID = 0xffffffff;
const acl = aclOf([
  [1, 6, NO_ID],
  [2, 7, 1000],
  [4, 4, NO_ID],
  [16, 7, NO_ID],
  [32, 4, NO_ID],
]);
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
// GNU tar writes and expects whole blocks but for the last piece.
const sparseMap = [0, 512, 2 ** 32 + 1024, 512, 5 * 2 ** 30 - 512, 4, 5 * 2 ** 30, 0];

const oddities: TestEntry[] = [
  { path: './', type: '5', mode: 0o755, mtime: 1_000_000_000 },
  {
    path: 'dir',
    type: '5',
    mode: 0o3755,
    uid: 1,
    gid: 2,
    mtime: 5,
    pax: { 'SCHILY.xattr.system.posix_acl_default': acl },
  },
  { path: 'dir/small', data: Buffer.from('small'), mode: 0o4755, uid: 4_000_000_000, gid: 70_000, mtime: -77 },
  { path: 'dir/ns', data: Buffer.alloc(5000, 'n'), pax: { mtime: '-3.000000001' } },
  { path: 'dir/blocks', data: Buffer.alloc(12_288, 'b'), pax: { mtime: '1700000000.123456789' } },
  { path: 'dir/link', type: '1', linkPath: './dir/small' },
  { path: 'empty', pax: { 'SCHILY.xattr.user.bin': Buffer.from([0, 1, 2, 255]) } },
  { path: 'caps', data: Buffer.from('x'), mode: 0o755, pax: { 'SCHILY.xattr.security.capability': capability } },
  { path: 'acl', data: Buffer.from('x'), mode: 0o674, pax: { 'SCHILY.xattr.system.posix_acl_access': acl } },
  {
    path: 'many',
    pax: Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`SCHILY.xattr.trusted.n${index}`, 'v'.repeat(90)]),
    ),
  },
  { path: 'twice', data: Buffer.from('first') },
  { path: 'link', type: '1', linkPath: 'dir/link' },
  { path: 'twice', data: Buffer.from('second, which wins') },
  { path: 'sym', type: '2', linkPath: 'dir/../dir/small', mtime: 9, uid: 12 },
  { path: 'symlink', type: '2', linkPath: 'x', gnuLongLink: 'y/'.repeat(2000) },
  { path: 'symlink-link', type: '1', linkPath: 'sym' },
  { path: 'fifo', type: '6', mode: 0o620 },
  { path: 'tty', type: '3', devMajor: 4, devMinor: 70_000, mode: 0o600 },
  { path: 'disk', type: '4', devMajor: 259, devMinor: 300, mode: 0o660 },
  { path: 'caf\xe9 \xff\x01', data: Buffer.from('bytes') },
  {
    path: 'short',
    data: Buffer.from('long'),
    gnuLongName: `${'d'.repeat(255)}/${'f'.repeat(255)}`,
    patch: (header) => header.write('ustar  \0', 257, 'latin1'),
  },
  { path: 'tails', type: '5', mode: 0o755 },
  ...[1, 3071, 3072, 3073, 4032, 4095, 4096, 4097, 7168, 7169, 8191].map((size) => ({
    path: `tails/${size}`,
    data: Buffer.alloc(size, `${size} `),
  })),
  { path: 'tails/xattr', data: Buffer.alloc(6000, 't'), pax: { 'SCHILY.xattr.user.x': 'v'.repeat(1000) } },
  { path: 'tails/large-xattr', data: Buffer.alloc(3000, 'T'), pax: { 'SCHILY.xattr.user.x': 'v'.repeat(2000) } },
  { path: 'tails/same', type: '1', linkPath: 'tails/xattr' },
  ...Array.from({ length: 60 }, (_, index) => ({
    path: `tails/n${index}`,
    data: Buffer.alloc(index * 50, `${index}`),
  })),
  { path: 'wide', type: '5', mode: 0o755 },
  ...Array.from({ length: 400 }, (_, index) => ({
    path: `wide/${index % 3 === 0 ? '-' : ''}${'n'.repeat(index % 60)}${index}`,
  })),
  {
    path: 'GNUSparseFile.0/sparse',
    data: Buffer.concat([Buffer.alloc(512, 'a'), Buffer.alloc(512, 'b'), Buffer.from('cccc')]),
    type: 'S',
    gnuLongName: 'sparse',
    patch(header) {
      header.write('ustar  \0', 257, 'latin1');
      for (const [index, value] of sparseMap.entries()) number(header, 386 + index * 12, 12, value);
      number(header, 483, 12, 5 * 2 ** 30);
    },
  },
];

test('the kernel shows what GNU tar extracts, and fsck.erofs finds the blob clean', { skip }, async () => {
  const tar = tarOf(oddities);
  const { blob } = await convertTar(tar);
  await withMount(blob, async (mount, folder) => {
    const extracted = join(folder, 'extracted');
    mkdirSync(extracted);
    const options = ['-x', '-p', '--same-owner', '--numeric-owner', '--xattrs', '--xattrs-include=*', '-C', extracted];
    const result = spawnSync('tar', options, { input: tar, encoding: 'latin1' });
    assert.equal(result.status, 0, result.stderr);
    // Directories that the tar doesn't name have the time of the extraction there.
    const named = (line: string) => !/^\.\/d{255} \|/.test(line);
    assert.equal(factsOf(mount).filter(named).join('\n'), factsOf(extracted).filter(named).join('\n'));
    for (const offset of [2 ** 32 + 1024, 5 * 2 ** 30 - 512]) {
      const sizes = [mount, extracted].map((root) =>
        execFileSync('dd', [`if=${root}/sparse`, 'bs=1', `skip=${offset}`, 'count=4', 'status=none'], {
          encoding: 'latin1',
        }),
      );
      assert.equal(sizes[0], sizes[1]);
    }
  });
});
