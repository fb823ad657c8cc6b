import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { attachImage } from '../../src/nodes/attach-image.ts';
import { detachImage } from '../../src/nodes/detach-image.ts';
import { parseMountInfo } from '../../src/nodes/mount-info.ts';

const SNAPSHOT_ID = `s-${'a'.repeat(20)}`;
/** Of 500 layers this many differ; the others are copies, since each run of mkfs costs. */
const KINDS = 10;
const skip = cannotMount();
const data = realpathSync(mkdtempSync(join(tmpdir(), 'larder nodes-')));
const hexOfLabel = (label: string) => createHash('sha256').update(label).digest('hex');
// As bytes: with 'utf8', Node.js 24.21 spoils its heap on files below /proc that are as long as this.
const mounts = () => parseMountInfo(readFileSync('/proc/self/mountinfo').toString());
const layerMounts = () => mounts().filter((entry) => entry.mountPoint.startsWith(join(data, 'mounts/run/layers')));
const attach = (reference: string, directory: string, signal?: AbortSignal) =>
  attachImage({ dataDirectory: data, snapshotId: SNAPSHOT_ID, reference, directory: join(data, directory), signal });
const detach = (directory: string) => detachImage({ dataDirectory: data, directory: join(data, directory) });

before(() => {
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
  };
  makeLayer('corrupt', 'true');
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

for (const count of [127, 500]) {
  test(`${count} layers`, { skip }, async () => {
    await attach(`many${count}`, 'many');
    assert.equal(readdirSync(join(data, 'many')).length, KINDS + 1);
    assert.equal(readFileSync(join(data, 'many/top'), 'utf8'), `${(count - 1) % KINDS}\n`);
    assert.equal(layerMounts().length, count);
    await detach('many');
    assert.deepEqual(layerMounts(), []);
  });
}

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
  await assert.rejects(attach('three', 'x', AbortSignal.abort(new Error('stopped'))), /stopped/);
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

function cannotMount(): string | false {
  if (process.getuid?.() !== 0) return 'mounting takes root';
  try {
    execFileSync('sh', ['-c', 'command -v mkfs.erofs && command -v setfattr && command -v flock'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs erofs-utils, attr and util-linux';
  }
}
