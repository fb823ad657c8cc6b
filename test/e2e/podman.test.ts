/** Podman runs containers from image caches, through the additional image store that `larder node podman` keeps. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { ACCESS_KEY, type LarderServer, REGION_ID, startLarder } from '../support/larder-server.ts';
import { type Layer, writeImages } from '../support/oci-layout.ts';
import { LEANING, ODDITIES, UMOCI_CORRECTIONS, writeOddities } from '../support/oddities-image.ts';
import { createPodman, type Podman } from '../support/podman.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { addShellLayer, addTarLayer, SHELL_ROOT } from '../support/shell-image.ts';
import type { TarEntry } from '../support/tar-writer.ts';
import { compareTrees, listTree, type Tree } from '../support/tree-compare.ts';
import { umociUnpack } from '../support/umoci.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const BUILD_TIMEOUT_MS = 60_000;
const WAIT_MS = 20_000;
const BIG_BYTES = 8 << 20;
const PAGE_BYTES = 4096;

const needs = {
  root: true,
  tools: ['podman', 'runc', 'docker-registry', 'umoci', 'getfattr', 'fincore', 'containers-storage'],
  filesystems: ['erofs', 'overlay'],
};

type Answer = {
  Images: { Name: string; ImageId: string }[];
  Layers: number;
  Retired: number;
  Problems: { Code: string; Message: string }[];
};

describe('larder node podman', { skip: skipWithout(needs) }, () => {
  let work: string;
  let registry: DockerRegistry;
  let larder: LarderServer;
  let podman: Podman;
  let store: string;
  let shell: Layer;
  let empty: Layer;
  /** Names of images in full. */
  let one: string;
  let two: string;
  let twoId: string;

  before(async () => {
    work = await mkdtemp(join(tmpdir(), 'larder-podman-'));
    store = join(work, 'store');
    registry = await startDockerRegistry();
    larder = await startLarder({ parent: work });
    podman = createPodman(work, []);
    shell = await addShellLayer(join(work, 'layout'));
    empty = await addTarLayer(join(work, 'layout'), []);
    // The empty layer comes twice, and on top, as Dockerfiles with many WORKDIR lines make it.
    one = await push('one', [shell, empty, await says('one'), empty]);
    two = await push('two', [shell, await says('two')]);
    await createCache(one);
    twoId = await createCache(two);
    await configureAsTold();
  });

  after(async () => {
    await podman?.close();
    if (store) await larderPodman('--remove', '--force').catch(() => {});
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    if (work) await rm(work, { recursive: true, force: true });
  });

  async function push(tag: string, layers: readonly Layer[]): Promise<string> {
    const layout = join(work, 'layout');
    await writeImages(layout, [{ tag, layers, config: { Cmd: ['cat', '/says'] } }]);
    return pushImage(layout, tag, registry);
  }

  function says(text: string, more: readonly TarEntry[] = []): Promise<Layer> {
    const content = Buffer.from(`${text}\n`);
    return addTarLayer(join(work, 'layout'), [{ name: 'says', type: 'file', content }, ...more]);
  }

  const createCache = (...references: string[]) =>
    createImageCacheClient(larder.endpoint).createReady(references, BUILD_TIMEOUT_MS);

  const commandLine = (args: readonly string[]) => [
    MAIN,
    'node',
    'podman',
    `--data=${larder.dataDirectory}`,
    `--store=${store}`,
    '--output=json',
    ...args,
  ];
  const environment = () => ({ ...podman.env, LARDER_PROFILE: join(work, 'profile.json') });

  async function larderPodman(...args: string[]): Promise<Answer> {
    return lastAnswer(await run(process.execPath, commandLine(args), { env: environment() }));
  }

  function follow(...args: string[]): { child: ChildProcess; answers(): Answer[] } {
    const child = spawn(process.execPath, commandLine(args), {
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    return {
      child,
      answers: () =>
        log
          .split('\n')
          .filter(Boolean)
          .map((line): Answer => JSON.parse(line)),
    };
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** The first run prints a line for storage.conf: that line, where it says, is all that Podman is told of the store. */
  async function configureAsTold(): Promise<void> {
    const args = commandLine(['--once']).filter((arg) => arg !== '--output=json');
    const said = await run(process.execPath, args, { env: environment() });
    const [, section, line] = /in the section (\[[a-z.]+\])[\s\S]*?^ +(\S+ = .*)$/m.exec(said) ?? [];
    assert.ok(section && line, said);
    const path = podman.env.CONTAINERS_STORAGE_CONF ?? '';
    const conf = await readFile(path, 'utf8');
    assert.ok(conf.includes(`\n${section}\n`));
    await writeFile(path, `${conf.replace(/^additionalimagestores = .*\n/m, '').trimEnd()}\n${line}\n`);
  }

  const mountNames = async () => (await readdir(join(store, 'larder/mounts'))).filter((name) => name !== 'new');

  test('images are there, read-only, under their full names and digests, and run', async () => {
    const list = await podman.call(
      'images',
      '--digests',
      '--format',
      '{{.Repository}}:{{.Tag}} {{.ReadOnly}} {{.Digest}}',
    );
    const lines = list.trim().split('\n').toSorted();
    assert.deepEqual(
      lines.map((line) => line.split(' ').slice(0, 2).join(' ')),
      [`${one} true`, `${two} true`],
    );
    assert.equal(await podman.run('--rm', one), 'one\n');
    const digest = lines[1]?.split(' ')[2];
    assert.equal(await podman.run('--rm', `${two.slice(0, two.lastIndexOf(':'))}@${digest}`), 'two\n');
    const [inspected] = JSON.parse(await podman.call('image', 'inspect', one));
    assert.deepEqual(inspected.RootFS.Layers.length, 4);
    assert.ok(inspected.Size > shell.size);
    assert.equal(await podman.run('--rm', one, 'sh', '-c', 'echo written > /says; cat /says'), 'written\n');
    assert.equal(await podman.run('--rm', one, 'stat', '-c', '%a', '/'), `${SHELL_ROOT.mode.toString(8)}\n`);
  });

  test('two images share the mounts of their common layers', async () => {
    // shell, “one”, “two”, the empty layer, and once more where it comes twice in a chain.
    assert.equal((await mountNames()).length, 5);
  });

  test('the library that CRI-O starts containers with finds the images', async () => {
    const storage = (...args: string[]) => run('containers-storage', args, { env: podman.env });
    const images: { names?: string[] }[] = JSON.parse(await storage('images', '--json'));
    assert.deepEqual(images.flatMap(({ names = [] }) => names).toSorted(), [one, two].toSorted());
    const [container = ''] = (await storage('create-container', one)).split('\n');
    const [root = ''] = (await storage('mount', container)).split('\n');
    assert.equal(await readFile(join(root, 'says'), 'utf8'), 'one\n');
    await storage('unmount', container);
    await storage('delete-container', container);
  });

  test('a pull finds the layers, also one that shows the root of another', async () => {
    // The upper layer of each lies elsewhere in our images: in the middle of one, on top of another.
    for (const text of ['one', 'two']) {
      const other = await push('other', [shell, await says('below'), await says(text)]);
      await podman.call('pull', '--tls-verify=false', other);
      assert.equal(await podman.run('--rm', other), `${text}\n`);
      await podman.call('rmi', other);
    }
    await podman.call('pull', '--tls-verify=false', two);
    assert.equal(await podman.run('--rm', two), 'two\n');
    const [{ GraphDriver }] = JSON.parse(await podman.call('image', 'inspect', two));
    assert.ok(GraphDriver.Data.UpperDir.startsWith(store), GraphDriver.Data.UpperDir);
    await podman.call('rmi', two);
  });

  test('two containers of one image have its pages in memory once', async () => {
    const big = { name: 'big', type: 'file', mode: 0o644, content: randomBytes(BIG_BYTES) } as const;
    const name = await push('big', [shell, await addTarLayer(join(work, 'layout'), [big])]);
    await createCache(name);
    await larderPodman('--once');
    const containers = [await podman.create(name, 'none'), await podman.create(name, 'none')].map((id) => id.trim());
    const files: string[] = [];
    for (const id of containers) files.push(join((await podman.call('mount', id)).trim(), 'big'));
    const [first = '', second = ''] = files;
    const resident = async () => Number(await run('fincore', ['--noheadings', '--output', 'PAGES', second]));
    assert.notEqual(first, second);
    assert.equal(await resident(), 0);
    assert.ok((await readFile(first)).equals(big.content));
    assert.equal(await resident(), BIG_BYTES / PAGE_BYTES, 'what one container read is there for the other');
    await podman.call('rm', ...containers);
  });

  test('the root equals what umoci unpacks', async () => {
    const odd = join(work, 'odd');
    await writeOddities(odd);
    for (const { tag, reference } of [...ODDITIES.filter((image) => !image.tag.startsWith('layers-')), ...LEANING]) {
      const name = await pushImage(odd, tag, registry);
      await createCache(name);
      await larderPodman('--once');
      const container = (await podman.create(name, 'none')).trim();
      const actual = await listTree((await podman.call('mount', container)).trim());
      await podman.call('rm', container);
      // Podman writes these, and gives every container's root directory to root, with the time it was made.
      for (const path of ['dev', 'etc', 'proc', 'run', 'sys']) actual.delete(path);
      const expected = await umociTree(odd, reference);
      for (const tree of [expected, actual])
        Object.assign(tree.get('.') ?? {}, { uid: '', gid: '', mtime: '', xattrs: '' });
      assert.deepEqual(compareTrees(expected, actual), [], tag);
    }
    await rm(odd, { recursive: true });
  });

  async function umociTree(layout: string, tag: string): Promise<Tree> {
    const rootfs = join(work, 'umoci');
    await umociUnpack(layout, tag, rootfs);
    const tree = await listTree(rootfs);
    for (const [path, correction] of Object.entries(UMOCI_CORRECTIONS)) Object.assign(tree.get(path) ?? {}, correction);
    await rm(rootfs, { recursive: true });
    return tree;
  }

  test('an update while a container runs: new ones get the new image, it keeps the old one through stop and start', async () => {
    const following = follow('--grace', '1');
    const { child } = following;
    let oldId = '';
    try {
      await waitFor(() => following.answers().length > 0);
      oldId = (await podman.call('image', 'inspect', '--format', '{{.Id}}', two)).trim();
      await podman.run('--detach', '--name', 'old', two, 'sleep', '600');
      assert.equal(await push('two', [shell, await says('two, second')]), two);
      const env = { LARDER_ENDPOINT: `http://${larder.endpoint}`, LARDER_REGION: REGION_ID };
      const keys = {
        LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
        LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
      };
      const update = [MAIN, 'update', twoId, '--image', two, '--wait'];
      await run(process.execPath, update, { env: { ...environment(), ...env, ...keys } });
      await waitFor(() => following.answers().at(-1)?.Retired === 1);
      assert.equal(await podman.run('--rm', two), 'two, second\n');
      assert.equal(await podman.call('exec', 'old', 'cat', '/says'), 'two\n');
      assert.equal(await podman.call('exec', 'old', 'ls', '/bin/sleep'), '/bin/sleep\n');
      await podman.call('stop', '--time=0', 'old');
      await larder.stop();
      await larder.start();
      await podman.call('start', 'old');
      assert.equal(await podman.call('exec', 'old', 'cat', '/says'), 'two\n');
      const second = await run(process.execPath, commandLine(['--once']), { env: environment() }).catch(String);
      assert.match(second, /nodes\.locked|another larder node podman/);
    } finally {
      await end(child, 'SIGTERM');
    }
    assert.equal(child.exitCode, 0);
    assert.equal((await larderPodman('--once', '--grace', '1')).Retired, 1);
    await assert.rejects(larderPodman('--remove'), /storage\.conf still names/);
    await podman.call('rm', '--force', '--time=0', 'old');
    // A name of the user's own keeps the image, too.
    await podman.call('tag', oldId, 'kept');
    assert.equal((await larderPodman('--once', '--grace', '1')).Retired, 1);
    assert.equal(await podman.run('--rm', 'kept'), 'two\n');
    await podman.call('rmi', 'kept');
    assert.equal((await larderPodman('--once', '--grace', '1')).Retired, 0);
    assert.equal(await podman.run('--rm', two), 'two, second\n');
  });

  test('kill −9, a reboot, and damage: nothing runs from an empty layer, and the next start repairs it all', async () => {
    const intact = await storeFiles();
    const { child } = follow();
    await sleep(300);
    await end(child, 'SIGKILL');
    // What a reboot leaves.
    await run('umount', ['--recursive', join(store, 'larder/mounts')]);
    await assert.rejects(podman.run('--rm', one), /no such file or directory/);
    const [layer = ''] = (await readdir(join(store, 'overlay'))).filter((name) => name.length === 64);
    await rm(join(store, 'overlay', layer), { recursive: true });
    await writeFile(join(store, 'overlay-images/images.json'), '[{"id":');
    await writeFile(join(store, 'overlay-layers/layers.json.new'), 'torn');
    await larderPodman('--once');
    assert.deepEqual(await storeFiles(), intact);
    assert.equal(await podman.run('--rm', one), 'one\n');
    assert.match(await podman.run('--rm', two), /^two/);
  });

  test('kill −9 at any time of making a store', async () => {
    const whole = await storeFiles();
    for (const killAfterMs of [250, 300, 350, 400, 450]) {
      await run('umount', ['--recursive', join(store, 'larder/mounts')]);
      for (const name of await readdir(store)) {
        // The lock file's folder shows that the store is ours.
        if (name !== 'larder') await rm(join(store, name), { recursive: true });
      }
      const { child } = follow();
      await sleep(killAfterMs);
      await end(child, 'SIGKILL');
      await larderPodman('--once');
      assert.deepEqual(await storeFiles(), whole, `killed after ${killAfterMs} ms`);
      assert.equal(await podman.run('--rm', one), 'one\n');
    }
  });

  async function storeFiles(): Promise<string[]> {
    const names = await readdir(store, { recursive: true });
    return names.filter((name) => !name.startsWith('larder/mounts/') && !/\/diff1?\//.test(name)).toSorted();
  }

  test('a changed blob is refused, and only the images that have it', async () => {
    const blobs = join(store, 'larder/blobs');
    const bad = await push('bad', [shell, await says('bad')]);
    await createCache(bad);
    const known = new Set(await readdir(blobs));
    await larderPodman('--once');
    const [fresh = ''] = (await readdir(blobs)).filter((name) => !known.has(name));
    const { mtimeMs } = await stat(join(blobs, fresh));
    assert.equal(mtimeMs, 0);
    const bytes = await readFile(join(blobs, fresh));
    await writeFile(join(blobs, fresh), Buffer.from(bytes.map((byte, place) => (place === 2000 ? byte ^ 1 : byte))));
    const failed = await run(process.execPath, commandLine(['--once']), { env: environment() }).catch(String);
    assert.match(failed, /nodes\.blob-changed/);
    await assert.rejects(podman.run('--rm', bad), /image not known|not find/);
    assert.equal(await podman.run('--rm', one), 'one\n');
    await writeFile(join(blobs, fresh), bytes).catch(() => {});
    await utimes(join(blobs, fresh), 0, 0).catch(() => {});
  });

  test('only the caches that were asked for; names are taken by the newest', async () => {
    const answer = await larderPodman('--once', '--cache', twoId, '--grace', '1');
    assert.deepEqual(
      answer.Images.map((image) => image.Name),
      [two],
    );
  });

  test('removal takes everything away', async () => {
    await writeFile(podman.env.CONTAINERS_STORAGE_CONF ?? '', '[storage]\ndriver = "overlay"\n');
    await larderPodman('--remove');
    assert.ok(!(await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${store}`));
    await assert.rejects(stat(store), { code: 'ENOENT' });
    store = '';
  });
});

function lastAnswer(text: string): Answer {
  return JSON.parse(text.trim().split('\n').at(-1) ?? '');
}

async function waitFor(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + WAIT_MS;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error('waited too long');
    await sleep(50);
  }
}
