/** The service as containerd calls it: over gRPC on its socket, with real folders and mounts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, status } from '@grpc/grpc-js';
import { z } from 'zod';
import { skipWithout } from '../../../test/support/requirements.ts';
import { silentLogger } from '../../lib/logger.ts';
import { type RunningSnapshotter, serveSnapshotter } from './serve-snapshotter.ts';
import { loadService } from './services.ts';

const mountsSchema = z.object({
  mounts: z.array(z.object({ type: z.string(), source: z.string(), options: z.array(z.string()) })),
});
const infoSchema = z.object({
  name: z.string(),
  parent: z.string(),
  kind: z.string(),
  labels: z.record(z.string(), z.string()),
  createdAt: z.object({ seconds: z.number(), nanos: z.number() }),
});

describe('the snapshots service', { skip: skipWithout({ root: true, filesystems: ['erofs', 'overlay'] }) }, () => {
  const home = mkdtempSync(join(tmpdir(), 'larder-service-'));
  const [socket, state] = [join(home, 's.sock'), join(home, 'state')];
  let running: RunningSnapshotter;
  let client: Client;

  const serve = () => serveSnapshotter({ dataDirectory: home, stateDirectory: state, socket, log: silentLogger });
  before(async () => {
    running = await serve();
    client = new Client(`unix:${socket}`, credentials.createInsecure());
  });
  after(async () => {
    client.close();
    await running.stop();
    rmSync(home, { recursive: true });
  });

  const methodOf = (name: string) => {
    const method = loadService('snapshots.v1.Snapshots')[name];
    if (!method) throw new Error(name);
    return method;
  };
  function call(name: string, request: object): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }
  async function list(...filters: string[]) {
    const { path, requestSerialize, responseDeserialize } = methodOf('List');
    const found: z.infer<typeof infoSchema>[] = [];
    for await (const part of client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { filters })) {
      found.push(...z.object({ info: z.array(infoSchema) }).parse(part).info);
    }
    return found;
  }
  const prepare = async (key: string, parent = '') => mountsSchema.parse(await call('Prepare', { key, parent })).mounts;
  const stat = async (key: string) => z.object({ info: infoSchema }).parse(await call('Stat', { key })).info;
  const names = async (...filters: string[]) => (await list(...filters)).map(({ name }) => name);

  test('prepare, write, commit, and a child that shows it', async () => {
    const [bind] = await prepare('one');
    assert.equal(bind?.type, 'bind');
    writeFileSync(join(bind?.source ?? '', 'file'), Buffer.alloc(100_000, 1));
    const usage = z.object({ size: z.number(), inodes: z.number() });
    const { size, inodes } = usage.parse(await call('Usage', { key: 'one' }));
    assert.ok(size >= 100_000 && inodes === 2, `${size} bytes, ${inodes} inodes`);
    await call('Commit', { name: 'ONE', key: 'one', labels: { a: 'b' } });
    assert.deepEqual(usage.parse(await call('Usage', { key: 'ONE' })), { size, inodes });
    const { createdAt, ...info } = await stat('ONE');
    assert.deepEqual(info, { name: 'ONE', parent: '', kind: 'COMMITTED', labels: { a: 'b' } });
    assert.ok(Math.abs(createdAt.seconds - Date.now() / 1000) < 60);

    for (const [name, key] of [
      ['Prepare', 'two'],
      ['View', 'view'],
    ] as const) {
      const [overlay] = mountsSchema.parse(await call(name, { key, parent: 'ONE' })).mounts;
      assert.deepEqual(mountsSchema.parse(await call('Mounts', { key })).mounts, [overlay]);
      const target = mkdtempSync(join(home, 'mounted-'));
      execFileSync('mount', ['-t', 'overlay', '-o', overlay?.options.join(',') ?? '', 'overlay', target]);
      try {
        assert.deepEqual(readdirSync(target), ['file']);
        if (name === 'Prepare') writeFileSync(join(target, 'more'), '');
        else assert.throws(() => writeFileSync(join(target, 'more'), ''), { code: 'EROFS' });
      } finally {
        execFileSync('umount', [target]);
      }
    }
  });

  test('lists, with filters', async () => {
    assert.deepEqual((await names()).toSorted(), ['ONE', 'two', 'view']);
    assert.deepEqual(await names('kind==active'), ['two']);
    assert.deepEqual(await names('parent==ONE,kind==view'), ['view']);
    assert.deepEqual((await names('labels.a==b', 'kind==view')).toSorted(), ['ONE', 'view']);
    await assert.rejects(names('kind='), { code: status.INVALID_ARGUMENT });
  });

  test('labels are updated', async () => {
    await call('Update', { info: { name: 'two', labels: { x: 'y', z: 'q' } } });
    await call('Update', { info: { name: 'two', labels: { x: '1' } }, updateMask: { paths: ['labels.x'] } });
    assert.deepEqual((await stat('two')).labels, { x: '1', z: 'q' });
  });

  test('refusals have the codes that containerd knows', async () => {
    await assert.rejects(call('Stat', { key: 'none' }), { code: status.NOT_FOUND });
    await assert.rejects(call('Mounts', { key: 'none' }), { code: status.NOT_FOUND });
    await assert.rejects(call('Mounts', { key: 'ONE' }), { code: status.FAILED_PRECONDITION });
    await assert.rejects(call('Remove', { key: 'ONE' }), { code: status.FAILED_PRECONDITION });
    await assert.rejects(call('Commit', { name: 'V', key: 'view' }), { code: status.FAILED_PRECONDITION });
    await assert.rejects(call('Commit', { name: 'ONE', key: 'two' }), { code: status.ALREADY_EXISTS });
    await assert.rejects(prepare('two'), { code: status.ALREADY_EXISTS });
    await assert.rejects(prepare('three', 'none'), { code: status.NOT_FOUND });
    await assert.rejects(prepare('three', 'two'), { code: status.INVALID_ARGUMENT });
    await assert.rejects(prepare(''), { code: status.INVALID_ARGUMENT });
    const labels = { 'containerd.io/snapshot.ref': `sha256:${'0'.repeat(64)}` };
    // A chain that is not held is made in the ordinary way.
    assert.equal(mountsSchema.parse(await call('Prepare', { key: 'ref', labels })).mounts.length, 1);
    await call('Remove', { key: 'ref' });
  });

  test('one process for a folder, one for a socket; a restart knows everything', async () => {
    await assert.rejects(serve(), { code: 'snapshots.socket' });
    const other = { dataDirectory: home, stateDirectory: state, socket: join(home, 'other.sock'), log: silentLogger };
    await assert.rejects(serveSnapshotter(other), { code: 'snapshots.locked' });
    await running.stop();
    assert.ok(!existsSync(socket));
    running = await serve();
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    assert.deepEqual((await names()).toSorted(), ['ONE', 'two', 'view']);
  });

  test('what was removed goes with the next cleanup', async () => {
    for (const key of ['two', 'view', 'ONE']) await call('Remove', { key });
    await call('Cleanup', {});
    for (const folder of ['l', 'w', 'trash']) assert.deepEqual(readdirSync(join(state, folder)), []);
  });
});
