import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { digestOfFile } from '../../src/blobs/index.ts';
import { digestOfHex } from '../../src/lib/digest.ts';
import { errorCode } from '../../src/lib/errors.ts';
import { type AttachOptions, attachImage } from '../../src/nodes/attach-image.ts';
import { detachImage } from '../../src/nodes/detach-image.ts';
import { holdBlob } from '../../src/nodes/hold-blob.ts';
import {
  canReadDirectly,
  type Libc,
  loadLibc,
  mountErofs,
  SystemCallError,
  unmount,
} from '../../src/nodes/linux/index.ts';
import { parseMountInfo } from '../../src/nodes/mount-info.ts';
import { skipWithout } from '../support/requirements.ts';

const SNAPSHOT_ID = `s-${'a'.repeat(20)}`;
/** Of 500 layers this many differ; the others are copies, since each run of mkfs costs. */
const KINDS = 10;
const NODES = pathToFileURL(join(import.meta.dirname, '../../src/nodes/index.ts')).href;
const LARGE_BYTES = 1 << 20;
const KILLS = 6;
/** An attachment of 127 layers and its end take some 60 ms. */
const KILL_STEP_MS = 13;
const NEEDS = { root: true, tools: ['mkfs.erofs', 'setfattr'], filesystems: ['erofs', 'overlay'] };
const skip = skipWithout(NEEDS);
const skipFincore = skipWithout({ ...NEEDS, tools: [...NEEDS.tools, 'fincore'] });
const skipLoop = skipWithout({ ...NEEDS, tools: [...NEEDS.tools, 'losetup'], loopDevices: true });
const data = realpathSync(mkdtempSync(join(tmpdir(), 'larder nodes-')));
const hexOfLabel = (label: string) => createHash('sha256').update(label).digest('hex');
// As bytes: with 'utf8', Node.js 24.21 spoils its heap on files below /proc that are as long as this.
const mounts = () => parseMountInfo(readFileSync('/proc/self/mountinfo').toString());
const layerMounts = () => mounts().filter((entry) => entry.mountPoint.startsWith(join(data, 'mounts/run/layers')));
const attach = (reference: string, directory: string, options: Partial<AttachOptions> = {}) =>
  attachImage({
    dataDirectory: data,
    snapshotId: SNAPSHOT_ID,
    reference,
    directory: join(data, directory),
    ...options,
  });
let checkedDigest = digestOfHex('0'.repeat(64));
const detach = (directory: string) => detachImage({ dataDirectory: data, directory: join(data, directory) });

before(async () => {
  if (skip) return;
  const many = Array.from({ length: 500 }, (_, place) => `many-${place}`);
  for (const [place, label] of many.entries()) {
    const kind = place % KINDS;
    if (place < KINDS) makeLayer(label, `echo ${kind} > top; echo ${kind} > f${kind}`);
    else copyLayer(`many-${kind}`, label);
  }
  makeLayer(
    'base',
    'mkdir d e; echo base > d/keep; echo base > d/gone; echo base > e/hidden; mknod null c 1 3; chmod 750 .',
  );
  makeLayer('middle', 'mkdir d; mknod d/gone c 0 0; echo middle > d/new');
  makeLayer('top', 'mkdir e; echo top > e/new; setfattr -n trusted.overlay.opaque -v y e');
  makeLayer('whiteouts', 'mknod gone c 0 0; echo x > kept');
  makeLayer('hostile', 'mkdir r; setfattr -n trusted.overlay.redirect -v /d r; echo own > r/own');
  const images = {
    none: [],
    one: ['whiteouts'],
    three: ['base', 'middle', 'top'],
    twice: ['base', 'middle', 'base'],
    hostile: ['base', 'hostile'],
    many127: many.slice(0, 127),
    many500: many,
    broken: ['base', 'not there'],
    corrupt: ['base', 'corrupt'],
    checked: ['checked'],
    large: ['large'],
    many40: many.slice(0, 40),
  };
  makeLayer('corrupt', 'true');
  makeLayer('checked', 'echo content > file');
  makeLayer('large', `head -c ${LARGE_BYTES} /dev/urandom > large`);
  checkedDigest = await digestOfFile(layerFile('checked'));
  writeFileSync(layerFile('corrupt'), Buffer.alloc(8192, 1));
  mkdirSync(join(data, 'snapshots'));
  const digest = `sha256:${hexOfLabel('any')}`;
  const snapshot = {
    id: SNAPSHOT_ID,
    imageCacheId: 'imc-1',
    createdAt: '2026-01-01T00:00:00Z',
    images: Object.entries(images).map(([reference, labels]) => ({
      reference,
      manifestDigest: digest,
      platform: 'linux/amd64',
      configDigest: digest,
      config: '{}',
      layers: labels.map((label) => ({
        diffId: digest,
        blob: `sha256:${hexOfLabel(label)}`,
        ...(label === 'checked' ? { blobDigest: checkedDigest } : {}),
        digest,
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        compressedBytes: 1,
        tarBytes: 1,
        blobBytes: 1,
      })),
    })),
  };
  writeFileSync(join(data, 'snapshots', `${SNAPSHOT_ID}.json`), JSON.stringify(snapshot));
});

after(() => {
  for (const { mountPoint } of mounts().toReversed()) {
    if (mountPoint.startsWith(data)) execFileSync('umount', [mountPoint]);
  }
  rmSync(data, { recursive: true });
});

test('three layers: whiteouts, opaque directories, devices and the root of the topmost layer', { skip }, async () => {
  await attach('three', 'm3');
  const root = join(data, 'm3');
  assert.deepEqual(readdirSync(root).toSorted(), ['d', 'e', 'null']);
  assert.deepEqual(readdirSync(join(root, 'd')).toSorted(), ['keep', 'new']);
  assert.deepEqual(readdirSync(join(root, 'e')), ['new']);
  assert.ok(statSync(join(root, 'null')).isCharacterDevice());
  assert.throws(() => writeFileSync(join(root, 'x'), ''), { code: 'EROFS' });
  await assert.rejects(attach('three', 'm3'), { code: 'nodes.in-use' });
  await detach('m3');
  assert.deepEqual(layerMounts(), []);
  // The folder in memory, with mount points and records, is gone.
  assert.deepEqual(readdirSync(join(data, 'mounts/run')), []);
});

test('no layer, one layer, a layer twice', { skip }, async () => {
  await attach('none', 'm0');
  assert.deepEqual(readdirSync(join(data, 'm0')), []);
  await assert.rejects(attach('none', 'm0'), { code: 'nodes.in-use' });
  await attach('docker.io/library/one:latest', 'm1');
  assert.deepEqual(readdirSync(join(data, 'm1')), ['kept']);
  await attach('twice', 'm2');
  assert.deepEqual(readdirSync(join(data, 'm2/d')).toSorted(), ['gone', 'keep', 'new']);
  for (const directory of ['m0', 'm1', 'm2']) await detach(directory);
});

for (const [count, options] of [
  [40, { writable: {} }],
  [127, {}],
  [127, { writable: {}, fallbacks: { calls: 'mount2' } }],
  [500, {}],
  [500, { writable: {} }],
  [500, { fallbacks: { calls: 'mount2' } }],
] satisfies [number, Partial<AttachOptions>][]) {
  test(`${count} layers ${JSON.stringify(options)}`, { skip }, async () => {
    await attach(`many${count}`, 'many', options);
    assert.equal(readdirSync(join(data, 'many')).length, KINDS + 1);
    assert.equal(readFileSync(join(data, 'many/top'), 'utf8'), `${(count - 1) % KINDS}\n`);
    assert.equal(layerMounts().length, count);
    if ('writable' in options) {
      writeFileSync(join(data, 'many/top'), 'new');
      assert.equal(readFileSync(join(data, 'many/top'), 'utf8'), 'new');
    }
    await detach('many');
    assert.deepEqual(layerMounts(), []);
  });
}

test('layers on loop devices, which go with the last mount', { skip: skipLoop }, async () => {
  const devices = () => execFileSync('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']).toString();
  await attach('three', 'loop', { fallbacks: { backing: 'loop' } });
  assert.deepEqual(readdirSync(join(data, 'loop/d')).toSorted(), ['keep', 'new']);
  assert.equal(layerMounts().filter((entry) => entry.source.startsWith('/dev/loop')).length, 3);
  assert.ok(devices().includes(data));
  await attach('twice', 'file', { fallbacks: { backing: 'auto' } });
  assert.equal(layerMounts().length, 3, 'a layer that is mounted stays on what it is on');
  for (const directory of ['loop', 'file']) await detach(directory);
  await assert.rejects(attach('corrupt', 'loop', { fallbacks: { backing: 'loop' } }), { code: 'nodes.mount-failed' });
  assert.ok(!devices().includes(data));
});

test('a kernel that mounts no files is given loop devices', { skip: skipLoop }, async () => {
  const libc = await loadLibc();
  /** What Linux says before 6.12. */
  const older: Libc = {
    ...libc,
    mount(source, ...rest) {
      if (statSync(source).isFile()) throw new SystemCallError('mount', 'ENOTBLK');
      libc.mount(source, ...rest);
    },
  };
  assert.match(sourceOf(layerFile('base'), older), /^\/dev\/loop\d+$/);
});

test('a kernel that does not know how to read past the page cache mounts all the same', { skip }, async () => {
  const libc = await loadLibc();
  /** What the kernel says to options that it doesn't know. */
  const older: Libc = {
    ...libc,
    mount(source, target, type, flags, options) {
      if (options !== '') throw new SystemCallError('mount', 'EINVAL');
      libc.mount(source, target, type, flags, options);
    },
  };
  assert.equal(sourceOf(layerFile('base'), older), sourceOf(layerFile('base'), libc));
});

test('a layer in memory, which has no reads past the page cache, is mounted all the same', {
  skip: skipLoop,
}, async () => {
  const libc = await loadLibc();
  assert.ok(canReadDirectly(libc, layerFile('base')), 'the disk can');
  const folder = mkdtempSync('/dev/shm/larder-nodes-');
  try {
    const file = join(folder, 'base.erofs');
    copyFileSync(layerFile('base'), file);
    assert.equal(canReadDirectly(libc, file), false);
    // The kernel mounts no file of a tmpfs itself.
    assert.match(sourceOf(file, libc), /^\/dev\/loop\d+$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what is read of a layer is in memory once', { skip: skipFincore }, async (t) => {
  const file = layerFile('large');
  const cachedBytes = () => Number(execFileSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', file]));
  await attach('large', 'large');
  try {
    if (layerMounts().some(({ source }) => source.startsWith('/dev/'))) return t.skip('this kernel mounts no files');
    // mkfs left it in memory.
    execFileSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
    assert.equal(cachedBytes(), 0);
    assert.equal(readFileSync(join(data, 'large/large')).length, LARGE_BYTES);
    assert.ok(cachedBytes() < LARGE_BYTES / 4, 'inodes and directories are read through it, content is not');
  } finally {
    await detach('large');
  }
});

test('where there are no loop devices either, it says what is lacking, and leaves nothing', { skip }, async () => {
  const script = `
    const { attachImage } = await import(${JSON.stringify(NODES)});
    const [dataDirectory, snapshotId] = process.argv.slice(1);
    const image = { dataDirectory, snapshotId, reference: 'three', directory: dataDirectory + '/no-loop' };
    await attachImage({ ...image, fallbacks: { backing: 'loop' } }).catch((error) => console.log(error.code, error.message));
    console.log((await import('node:fs')).readFileSync('/proc/self/mountinfo').toString().includes('erofs'));`;
  // As in a container that was given no devices.
  const inside = 'mount -t tmpfs tmpfs /dev && exec "$@"';
  const node = [process.execPath, '--input-type=module', '-e', script, '--', data, SNAPSHOT_ID];
  const said = execFileSync('unshare', ['--mount', 'sh', '-c', inside, 'sh', ...node], { encoding: 'utf8' });
  assert.match(said, /^nodes\.kernel-lacks .*neither directly \(Linux 6\.12\) nor by loop devices: .*\nfalse\n$/);
  assert.deepEqual(readdirSync(join(data, 'mounts/run')), []);
});

test('a writable attachment keeps what is written apart, and has the root of the image', { skip }, async () => {
  const { scratch = '' } = await attach('three', 'rw', { writable: {} });
  await attach('three', 'other', { writable: { scratch: join(data, 'elsewhere') } });
  assert.equal(
    statSync(join(data, 'rw')).mode & 0o7777,
    statSync(join(data, 'mounts/run/layers', hexOfLabel('top'))).mode & 0o7777,
  );
  writeFileSync(join(data, 'rw/d/keep'), 'changed');
  rmSync(join(data, 'rw/d/new'));
  assert.equal(readFileSync(join(data, 'other/d/keep'), 'utf8'), 'base\n');
  assert.deepEqual(readdirSync(join(data, 'rw/d')), ['keep']);
  await detach('rw');
  assert.throws(() => statSync(scratch), { code: 'ENOENT' });
  writeFileSync(join(data, 'other/written'), 'text');
  const { written = '' } = await detachImage({
    dataDirectory: data,
    directory: join(data, 'other'),
    keepWritten: true,
  });
  assert.equal(readFileSync(join(written, 'written'), 'utf8'), 'text');
  assert.ok(written.startsWith(join(data, 'elsewhere')));
  await attach('three', 'rw', { writable: {} });
  writeFileSync(join(data, 'rw/written'), 'text');
  const kept = await detachImage({ dataDirectory: data, directory: join(data, 'rw'), keepWritten: true });
  assert.equal(readFileSync(join(kept.written ?? '', 'written'), 'utf8'), 'text');
  assert.deepEqual(readdirSync(join(data, 'mounts/scratch')), []);
});

test('a file without the mark is read, and refused when it has changed', { skip }, async () => {
  const file = layerFile('checked');
  const bytes = readFileSync(file);
  await attach('checked', 'checked');
  await detach('checked');
  assert.equal(statSync(file).mtimeMs, 0, 'marked after its bytes were read');
  const changed = Buffer.from(bytes);
  changed.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
  writeFileSync(file, changed);
  await assert.rejects(attach('checked', 'checked'), { code: 'nodes.blob-changed', message: /create them again/ });
  assert.deepEqual(layerMounts(), []);
  writeFileSync(file, bytes);
  await attach('checked', 'checked');
  writeFileSync(file, changed);
  await assert.rejects(
    attach('checked', 'checked2'),
    { code: 'nodes.blob-changed' },
    'also when it is mounted already',
  );
  writeFileSync(file, bytes);
  await detach('checked');
});

test('a held blob outlives its file, and a changed one is not held', { skip }, async () => {
  const folder = join(data, 'held');
  const layer = { blob: digestOfHex(hexOfLabel('checked')), blobDigest: checkedDigest };
  const hold = () => holdBlob({ dataDirectory: data, folder, layer });
  const file = layerFile('checked');
  const bytes = readFileSync(file);
  const held = await hold();
  assert.equal(statSync(held).ino, statSync(file).ino);
  rmSync(file);
  assert.equal(await hold(), held);
  assert.deepEqual(readFileSync(held), bytes);
  // A write through the one name shows at the other; the file built again is another.
  writeFileSync(held, Buffer.alloc(bytes.length));
  await assert.rejects(hold(), { code: 'nodes.layer-missing' });
  writeFileSync(file, bytes);
  assert.equal(await hold(), held);
  assert.deepEqual(readFileSync(held), bytes);
  writeFileSync(file, Buffer.alloc(bytes.length));
  await assert.rejects(hold(), { code: 'nodes.blob-changed' });
  assert.deepEqual(readdirSync(folder), []);
  writeFileSync(file, bytes);
  const elsewhere = await holdBlob({ dataDirectory: data, folder: join('/dev/shm', basename(data)), layer });
  rmSync(join('/dev/shm', basename(data)), { recursive: true });
  assert.equal(elsewhere, file, 'in place where no link can be made');
});

test('attachments share their layers; the last to go takes them along', { skip }, async () => {
  await Promise.all([attach('three', 'a'), attach('three', 'b'), attach('twice', 'c')]);
  assert.equal(layerMounts().length, 3);
  await detach('b');
  assert.equal(layerMounts().length, 3);
  await detach('a');
  assert.equal(layerMounts().length, 2);
  assert.equal(readFileSync(join(data, 'c/d/keep'), 'utf8'), 'base\n');
  await detach('c');
  assert.deepEqual(layerMounts(), []);
});

test('a layer cannot redirect a directory to another', { skip }, async () => {
  await attach('hostile', 'hostile');
  let names: string[] = [];
  try {
    names = readdirSync(join(data, 'hostile/r'));
  } catch {
    // Refused as a whole: as good.
  }
  assert.ok(!names.includes('keep'));
  await detach('hostile');
});

test('failures say what is wrong and leave nothing mounted', { skip }, async () => {
  await assert.rejects(attach('nothing', 'x'), { code: 'nodes.image-missing', message: /three, twice/ });
  await assert.rejects(attach('broken', 'x'), { code: 'nodes.layer-missing' });
  await assert.rejects(attach('corrupt', 'x'), { code: 'nodes.mount-failed' });
  await assert.rejects(attach('three', 'snapshots'), { code: 'nodes.not-empty' });
  await assert.rejects(detach('x'), { code: 'nodes.not-attached' });
  const unknown = {
    dataDirectory: data,
    snapshotId: `s-${'b'.repeat(20)}`,
    reference: 'x',
    directory: join(data, 'x'),
  };
  await assert.rejects(attachImage(unknown), { code: 'nodes.snapshot-missing' });
  await assert.rejects(attach('three', 'x', { signal: AbortSignal.abort(new Error('stopped')) }), /stopped/);
  assert.deepEqual(layerMounts(), []);
});

test('a mount in use is not torn away', { skip }, async () => {
  await attach('three', 'busy');
  const user = spawn('sleep', ['60'], { cwd: join(data, 'busy') });
  try {
    await assert.rejects(detach('busy'), { code: 'nodes.busy' });
    assert.equal(readFileSync(join(data, 'busy/d/keep'), 'utf8'), 'base\n');
  } finally {
    user.kill();
    await new Promise((resolve) => user.once('close', resolve));
  }
  await detach('busy');
});

test('what killed commands left is taken up: records without mounts, mounts without records, layers of nobody', {
  skip,
}, async () => {
  await attach('three', 'kept');
  await attach('twice', 'lost');
  for (const name of readdirSync(join(data, 'mounts/run/attached'))) {
    const path = join(data, 'mounts/run/attached', name);
    if (JSON.parse(readFileSync(path, 'utf8')).reference === 'twice') rmSync(path);
  }
  const dead = {
    id: 'dead',
    directory: join(data, 'kept'),
    snapshotId: SNAPSHOT_ID,
    reference: 'three',
    layers: [hexOfLabel('many-0')],
  };
  writeFileSync(join(data, 'mounts/run/attached/dead.json'), JSON.stringify(dead));
  writeFileSync(join(data, 'mounts/run/attached/torn.json'), '{"id":');
  const orphan = join(data, 'mounts/run/layers', hexOfLabel('many-0'));
  mkdirSync(orphan);
  execFileSync('mount', ['-t', 'erofs', '-o', 'ro', layerFile('many-0'), orphan]);

  await detach('lost');
  assert.deepEqual(readdirSync(join(data, 'kept/d')).toSorted(), ['keep', 'new']);
  assert.equal(layerMounts().length, 3);
  await detach('kept');
  assert.deepEqual(layerMounts(), []);
});

test('a process that is killed anywhere leaves nothing that the next does not clear', { skip }, async () => {
  const script = `
    const { attachImage, detachImage } = await import(${JSON.stringify(NODES)});
    const [dataDirectory, snapshotId] = process.argv.slice(1);
    for (;;) for (const writable of [undefined, {}]) {
      const directory = dataDirectory + '/killed';
      await attachImage({ dataDirectory, snapshotId, reference: 'many127', directory, writable });
      process.stdout.write('.');
      await detachImage({ dataDirectory, directory });
    }`;
  for (let round = 0; round < KILLS; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', data, SNAPSHOT_ID], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    await sleep(round * KILL_STEP_MS);
    child.kill('SIGKILL');
    await closed;
    if (round % 2 === 0)
      await detach('killed').catch((error: unknown) => assert.equal(errorCode(error), 'nodes.not-attached'));
    await attach('three', `after-${round}`);
    await detach(`after-${round}`);
    // The last round may have ended with the image attached.
    await detach('killed').catch((error: unknown) => assert.equal(errorCode(error), 'nodes.not-attached'));
    assert.deepEqual(layerMounts(), []);
    for (const folder of ['run', 'scratch', 'attached'])
      assert.deepEqual(readdirSync(join(data, 'mounts', folder)), []);
  }
});

/** Mounts a layer alone and looks into it; returns what the mount is on. */
function sourceOf(file: string, libc: Libc): string {
  const directory = join(data, 'alone');
  mkdirSync(directory);
  mountErofs(libc, file, directory);
  try {
    assert.equal(readFileSync(join(directory, 'd/keep'), 'utf8'), 'base\n');
    return mounts().find(({ mountPoint }) => mountPoint === directory)?.source ?? '';
  } finally {
    unmount(libc, directory);
    rmdirSync(directory);
  }
}

function layerFile(label: string): string {
  const hex = hexOfLabel(label);
  return join(data, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`);
}

/** A layer file whose content a shell script makes in an empty directory. */
function makeLayer(label: string, script: string): void {
  const source = mkdtempSync(join(tmpdir(), 'larder-layer-'));
  const file = layerFile(label);
  mkdirSync(join(file, '..'), { recursive: true });
  execFileSync('sh', ['-ec', `cd "$1"; ${script}`, 'sh', source]);
  execFileSync('mkfs.erofs', ['--quiet', '-T0', file, source], { stdio: ['ignore', 'ignore', 'inherit'] });
  rmSync(source, { recursive: true });
}

function copyLayer(from: string, to: string): void {
  mkdirSync(join(layerFile(to), '..'), { recursive: true });
  copyFileSync(layerFile(from), layerFile(to));
}
