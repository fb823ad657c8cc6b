import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { isMarkedVerified, openDiskBlobs, verifyFile } from '../../src/blobs/index.ts';
import { treeDigest } from '../../src/layers/testing/memory.ts';
import { hexOf } from '../../src/lib/digest.ts';
import { skipWithout } from '../support/requirements.ts';
import { collect, describeBlobContract, digestOf } from './blobs.ts';

const run = promisify(execFile);
const temporaryFolder = () => mkdtemp(join(tmpdir(), 'larder-blobs-'));

describeBlobContract('disk', async () => {
  const directory = await temporaryFolder();
  const blobs = await openDiskBlobs({ directory });
  return {
    blobs,
    readBlob: (diffId) => readFile(blobs.path(diffId)),
    close: () => rm(directory, { recursive: true }),
  };
});

describe('disk blobs', () => {
  let directory: string;
  before(async () => {
    directory = await temporaryFolder();
  });
  after(() => rm(directory, { recursive: true }));

  test('lie where containerd looks for cached layers, readable by all, writable by the owner', async () => {
    const blobs = await openDiskBlobs({ directory });
    const ingest = await blobs.begin();
    await ingest.commit(digestOf(0xab), 0);
    const hex = hexOf(digestOf(0xab));
    const file = join(directory, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`);
    assert.equal(blobs.path(digestOf(0xab)), file);
    assert.equal((await stat(file)).mode & 0o777, 0o644);
    assert.equal((await stat(dirname(file))).mode & 0o777, 0o755);
  });

  test('are there after opening again; foreign files are neither listed nor removed', async () => {
    const blobs = await openDiskBlobs({ directory });
    const foreign = join(directory, 'layers/sha256/README');
    await writeFile(foreign, 'mine');
    await writeFile(join(directory, 'snapshots/.tmp-left'), '{');
    assert.deepEqual(await blobs.removeLeftovers(), ['snapshots/.tmp-left']);
    assert.equal(await readFile(foreign, 'utf8'), 'mine');
    const listed = await collect(blobs.list());
    assert.deepEqual(listed, [{ diffId: digestOf(0xab), bytes: 0 }]);
  });

  test('a blob cut short by a damaged disk is replaced by a good one', async () => {
    const blobs = await openDiskBlobs({ directory });
    const ingest = await blobs.begin();
    await ingest.writev([Buffer.from('whole')], 0);
    await ingest.commit(digestOf(0xab), 5);
    assert.equal(await readFile(blobs.path(digestOf(0xab)), 'utf8'), 'whole');
  });

  test('a published blob is marked as verified; one written to since is not, and is replaced', async () => {
    const blobs = await openDiskBlobs({ directory });
    const path = blobs.path(digestOf(0xac));
    const publish = async () => {
      const ingest = await blobs.begin();
      await ingest.writev([Buffer.from('right')], 0);
      await ingest.commit(digestOf(0xac), 5);
    };
    await publish();
    assert.equal(await isMarkedVerified(path), true);
    await writeFile(path, 'wrong');
    assert.equal(await isMarkedVerified(path), false);
    await publish();
    assert.equal(await readFile(path, 'utf8'), 'right');
    assert.equal(await isMarkedVerified(path), true);
    assert.equal(await verifyFile(path, treeDigest(Buffer.from('right'))), true);
    assert.equal(await verifyFile(path, treeDigest(Buffer.from('wrong'))), false);
  });
});

describe('disk blobs on a full disk', { skip: skipWithout({ root: true, tools: ['mount'] }) }, () => {
  let mount: string;
  before(async () => {
    mount = await temporaryFolder();
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]);
  });
  after(async () => {
    await run('umount', [mount]);
    await rm(mount, { recursive: true });
  });

  test('fail with the reason, leave nothing, and work again once there is space', async () => {
    const blobs = await openDiskBlobs({ directory: mount });
    const ingest = await blobs.begin();
    // Half of it fits: the kernel writes that much and says so, and only the next write fails.
    await assert.rejects(ingest.writev([Buffer.alloc(150_000), Buffer.alloc(350_000)], 0), {
      code: 'blobs.no-space',
      facts: { errno: 'ENOSPC' },
    });
    await ingest.abort();
    assert.deepEqual(await readdir(join(mount, 'layers/sha256')), []);
    const scratch = await ingest.scratch();
    await assert.rejects(scratch.write(Buffer.alloc(500_000), 0), { code: 'blobs.no-space' });
    await scratch.close();
    await assert.rejects(blobs.putSnapshot('s-00000000000000000001', 'x'.repeat(500_000)), { code: 'blobs.no-space' });
    assert.deepEqual(await readdir(join(mount, 'snapshots')), []);
    const small = await blobs.begin();
    await small.writev([Buffer.alloc(100_000)], 0);
    await small.commit(digestOf(1), 100_000);
    assert.equal(await blobs.size(digestOf(1)), 100_000);
  });

  test('a read-only disk is told apart', async () => {
    const blobs = await openDiskBlobs({ directory: mount });
    await run('mount', ['-o', 'remount,ro', mount]);
    await assert.rejects(blobs.begin(), { code: 'blobs.read-only' });
    await run('mount', ['-o', 'remount,rw', mount]);
    await (await blobs.begin()).abort();
  });
});
