/** The commands against a real server in this process and a registry on loopback, as a user would give them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { skipWithout } from '../../test/support/requirements.ts';
import { type LoopbackRegistry, startLoopbackRegistry } from '../demo/loopback-registry.ts';
import { writeTar } from '../demo/tar.ts';
import { hostPlatform } from '../oci/index.ts';
import { run } from './index.ts';

const stop = new AbortController();
let home: string;
let registry: LoopbackRegistry;
let reference: string;
let served: Promise<number>;
const announced = new PassThrough();

function ioOf(stdout: PassThrough, stderr: PassThrough, signal: AbortSignal) {
  const env = { LARDER_PROFILE: join(home, 'profile.json'), HOME: home, PATH: process.env.PATH };
  return { stdin: Readable.from([]), stdout, stderr, env, signal };
}

async function larder(...argv: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await run(argv, ioOf(stdout, stderr, new AbortController().signal));
  stdout.end();
  stderr.end();
  return { code, out: await text(stdout), err: await text(stderr) };
}

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'larder-cli-'));
  registry = await startLoopbackRegistry(await smallImage(), { repository: 'team/app', tag: '1' });
  reference = `${registry.host}/team/app:1`;
  const argv = ['serve', '--data', join(home, 'data'), '--listen', '127.0.0.1:0', '--log-level', 'error', '-o', 'json'];
  served = run(argv, ioOf(announced, new PassThrough(), stop.signal));
});
after(async () => {
  stop.abort();
  assert.equal(await served, 0);
  await registry.close();
  await rm(home, { recursive: true });
});

test('serve announces itself in a line and leaves a profile for its owner', async () => {
  const [line] = await Promise.race([announced.take(1).toArray(), served.then((code) => [`ended with ${code}`])]);
  const { Endpoint, AccessKeyId, AccessKeySecret } = JSON.parse(String(line));
  const path = join(home, 'profile.json');
  const profile = JSON.parse(await readFile(path, 'utf8'));
  assert.deepEqual(
    [profile.endpoint, profile.accessKeyId, profile.accessKeySecret],
    [Endpoint, AccessKeyId, AccessKeySecret],
  );
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('create --wait, list, describe, tag, update, quota, delete', async () => {
  const created = await larder('create', 'app', '--image', reference, '--plain-http', registry.host, '--wait');
  assert.equal(created.code, 0, created.err);
  const id = /^(imc-[a-z0-9]{20}) is Ready, snapshot s-/.exec(created.out)?.[1] ?? '';
  assert.match((await larder('list')).out, new RegExp(`^ID .*\n${id} +app +Ready +100% .* ${reference}\n$`));
  const described = await larder('describe', id);
  assert.match(described.out, /Status +Ready 100%\n/);
  assert.match(described.out, /Normal +Pulled/);
  const answer = JSON.parse((await larder('describe', id, '--output', 'json')).out);
  assert.equal(answer.ImageCaches[0].ImageCacheId, id);
  assert.deepEqual(await larder('tag', id, 'env=prod', 'web'), { code: 0, out: `${id} tagged\n`, err: '' });
  assert.match((await larder('list', '--tag', 'env', '--image', 'app')).out, new RegExp(id));
  assert.match((await larder('list', '--match', reference)).out, new RegExp(id));
  assert.doesNotMatch((await larder('list', '--tag', 'env=test')).out, new RegExp(id));
  assert.equal((await larder('untag', id, 'web')).code, 0);
  const updated = await larder('update', id, '--image', reference, '--name', 'blue', '--wait');
  assert.match(updated.out, new RegExp(`^${id} is Ready, snapshot s-`), updated.err);
  assert.match((await larder('list', '--name', 'blue')).out, new RegExp(id));
  assert.equal((await larder('update', id, '--name', 'blue')).code, 1, 'nothing to change');
  assert.equal((await larder('update', id, '--wait')).code, 2);
  assert.deepEqual(await larder('quota'), { code: 0, out: '1 of 500 image caches\n', err: '' });
  assert.deepEqual(await larder('delete', id), { code: 0, out: `${id} deleted\n`, err: '' });
  assert.equal((await larder('describe', id)).code, 1);
  const again = await larder('delete', id, id);
  assert.equal(again.code, 1);
  assert.match(again.err, /2 of 2 were not deleted/);
});

test('a build that fails ends with 1 and the reason', async () => {
  const argv = ['create', 'no', '--image', `${registry.host}/team/app:2`, '--plain-http', registry.host, '--wait'];
  const failed = await larder(...argv);
  assert.equal(failed.code, 1);
  assert.match(failed.err, /larder: imc-.*team\/app:2/);
  const asJson = await larder(...argv, '--output', 'json');
  assert.equal(asJson.code, 1);
  assert.equal(JSON.parse(asJson.out).ImageCaches[0].Status, 'Failed');
});

test('mount and umount find the data folder by the profile', {
  skip: skipWithout({ root: true, filesystems: ['erofs', 'overlay'] }),
}, async () => {
  const argv = ['create', 'app', '--image', reference, '--plain-http', registry.host, '--wait', '--output', 'json'];
  const [cache] = JSON.parse((await larder(...argv)).out).ImageCaches;
  const directory = join(home, 'mnt');
  for (const id of [cache.ImageCacheId, cache.SnapshotId]) {
    const mounted = await larder('mount', id, reference, directory);
    assert.equal(mounted.code, 0, mounted.err);
    assert.equal(await readFile(join(directory, 'etc/motd'), 'utf8'), 'hello\n');
    const unmounted = await larder('umount', directory, '--output', 'json');
    assert.deepEqual(JSON.parse(unmounted.out), { Directory: directory });
  }
});

async function smallImage() {
  const motd = Buffer.from('hello\n');
  const entries = [
    { path: 'etc', mode: 0o755 },
    { path: 'etc/motd', mode: 0o644, content: { bytes: motd.length, read: () => Readable.from([motd]) } },
  ];
  const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const blobOf = (mediaType: string, content: Buffer) => {
    return {
      digest: digestOf(content),
      bytes: content.length,
      mediaType: `application/vnd.oci.image.${mediaType}`,
      content,
    };
  };
  const descriptorOf = ({ digest, bytes, mediaType }: ReturnType<typeof blobOf>) => ({
    digest,
    size: bytes,
    mediaType,
  });
  const layer = blobOf('layer.v1.tar', await buffer(Readable.from(writeTar(entries))));
  const { os, architecture } = hostPlatform(arch(), process.platform);
  const configDocument = { os, architecture, rootfs: { type: 'layers', diff_ids: [layer.digest] } };
  const config = blobOf('config.v1+json', Buffer.from(JSON.stringify(configDocument)));
  const manifestDocument = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptorOf(config),
    layers: [descriptorOf(layer)],
  };
  return {
    manifest: blobOf('manifest.v1+json', Buffer.from(JSON.stringify(manifestDocument))),
    blobs: [config, layer],
  };
}
