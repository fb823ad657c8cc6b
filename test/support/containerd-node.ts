import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Containerd,
  createContainerd,
  createSnapshotter,
  mountsBelow,
  type Snapshotter,
  unmountBelow,
} from './containerd.ts';
import type { ContainerdRelease } from './containerd-releases.ts';
import { type CountingProxy, startCountingProxy } from './counting-proxy.ts';
import { type Cri, createCri } from './cri.ts';
import { type DockerRegistry, startDockerRegistry } from './docker-registry.ts';
import { createImageCacheClient, type ImageCacheClient } from './image-cache-client.ts';
import { type LarderServer, startLarder } from './larder-server.ts';
import { type Image, type Layer, writeImages } from './oci-layout.ts';
import { pushImage } from './push-image.ts';
import { addShellLayer, addTarLayer } from './shell-image.ts';

const BUILD_TIMEOUT_MS = 60_000;
/** What the kubelet pulls goes here. */
const KUBERNETES = 'k8s.io';

/** runc knows containers by their names, whichever containerd they are of. */
let containers = 0;
export const containerName = () => `larder-test-${process.pid}-${containers++}`;

/** A node with larder as containerd's snapshotter, the server that it has its layers of, and a registry. */
export type ContainerdNode = AsyncDisposable & {
  readonly home: string;
  /** Of the images that are pushed. */
  readonly layout: string;
  readonly registry: DockerRegistry;
  /** In front of the registry; what is pushed has its host. */
  readonly proxy: CountingProxy;
  readonly larder: LarderServer;
  readonly caches: ImageCacheClient;
  readonly snapshotter: Snapshotter;
  readonly containerd: Containerd;
  /** With a few programs; other layers lie on it. */
  readonly shell: Layer;
  /** `ctr` in the namespace of Kubernetes. */
  ctr(...args: string[]): Promise<string>;
  /** A layer with the file texts/NAME; layers of the same name and text are the same. */
  textLayer(name: string, text: string | Buffer): Promise<Layer>;
  push(image: Image): Promise<string>;
  pushAndCache(image: Image): Promise<string>;
  /** Pulls as the kubelet does, and returns what was asked of the registry. */
  pull(reference: string): Promise<string[]>;
  /** Runs a shell command in a container of its own and returns what it prints. */
  runShell(reference: string, command: string): Promise<string>;
  /** All of a namespace, and what pulls that broke off keep from containerd's collector. */
  removeImages(namespace?: string): Promise<void>;
  /** Fails unless the snapshotter has let go of everything. */
  assertNothingLeft(): Promise<void>;
};

/** Starts them. `dataDirectory`, relative to `home`, is the snapshotter's; without it that of the server. */
export async function startContainerdNode(options: {
  release: ContainerdRelease;
  dataDirectory?: string;
}): Promise<ContainerdNode> {
  await using cleanup = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'larder-ctd-'));
  cleanup.defer(async () => {
    unmountBelow(home);
    await rm(home, { recursive: true, force: true });
  });
  const layout = join(home, 'layout');
  const registry = cleanup.use(await startDockerRegistry({ dir: join(home, 'registry') }));
  const proxy = cleanup.use(await startCountingProxy(registry.host));
  const larder = cleanup.use(await startLarder({ parent: home }));
  const caches = createImageCacheClient(larder.endpoint);
  const shell = await addShellLayer(layout);
  const dataDirectory = options.dataDirectory ? join(home, options.dataDirectory) : larder.dataDirectory;
  await mkdir(dataDirectory, { recursive: true });
  const snapshotter = createSnapshotter({ home, dataDirectory });
  cleanup.defer(() => snapshotter.end());
  await snapshotter.start();
  const { release } = options;
  const containerd = await createContainerd({ home, release, snapshotterSocket: snapshotter.socket });
  cleanup.defer(() => containerd.end());
  await containerd.start();
  const cri: Cri = createCri(containerd.address);
  cleanup.defer(() => cri.close());

  const ctr = (...args: string[]) => containerd.ctr('--namespace', KUBERNETES, ...args);

  async function push(image: Image): Promise<string> {
    await writeImages(layout, [image]);
    return pushImage(layout, image.tag, { host: proxy.host });
  }

  const owned = cleanup.move();
  return {
    home,
    layout,
    registry,
    proxy,
    larder,
    caches,
    snapshotter,
    containerd,
    shell,
    ctr,
    textLayer: (name, text) =>
      addTarLayer(layout, [
        { name: 'texts', type: 'directory' },
        { name: `texts/${name}`, type: 'file', content: Buffer.from(text) },
      ]),
    push,
    async pushAndCache(image) {
      const reference = await push(image);
      await caches.createReady([reference], BUILD_TIMEOUT_MS);
      return reference;
    },
    async pull(reference) {
      proxy.take();
      await cri.pull(reference);
      return proxy.take();
    },
    runShell: (reference, command) =>
      ctr('run', '--rm', '--snapshotter', 'larder', reference, containerName(), '/bin/sh', '-c', command),
    async removeImages(namespace = KUBERNETES) {
      const inside = (...args: string[]) => containerd.ctr('--namespace', namespace, ...args);
      for (const kind of ['leases', 'images']) {
        const names = (await inside(kind, 'ls', '-q')).split('\n').filter(Boolean);
        if (names.length > 0) await inside(kind, 'rm', '--sync', ...names);
      }
    },
    async assertNothingLeft() {
      const { stateDirectory } = snapshotter;
      assert.deepEqual(mountsBelow(stateDirectory), []);
      for (const folder of ['l', 'w', 'b', 'trash']) {
        assert.deepEqual(await readdir(join(stateDirectory, folder)), [], folder);
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Of requests, those for blobs. */
export const blobRequests = (requests: readonly string[]) => requests.filter((each) => each.includes('/blobs/'));
