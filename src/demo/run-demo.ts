import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_REGION_ID, type Environment, loadServerConfig } from '../config/index.ts';
import { LarderError } from '../lib/errors.ts';
import { attachImage, detachImage, findImage, readSnapshot } from '../nodes/index.ts';
import { startServer } from '../server/index.ts';
import { type AssembledImage, assembleImage } from './assemble-image.ts';
import { startLoopbackRegistry } from './loopback-registry.ts';
import { entrypointOf, runEntrypoint } from './run-entrypoint.ts';
import { createVendorClient } from './vendor-client.ts';

const REPOSITORY = 'larder/hello';
const TAG = '1';

export type DemoOptions = {
  /** References of the user's own; none for an image assembled from this machine's files. */
  images: readonly string[];
  env: Environment;
  print: (line: string) => void;
  /** Shows the build until it ends; gives the snapshot's id, or throws the reason of a failure. */
  follow: (server: DemoServer, imageCacheId: string) => Promise<string>;
  signal: AbortSignal;
};

export type DemoServer = { endpoint: string; regionId: string; accessKeyId: string; accessKeySecret: string };

/** The main job from end to end on a temporary folder, which is gone afterwards, whatever happened. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { print, signal } = options;
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'larder-demo-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));

  const own = options.images.length === 0;
  let images = options.images;
  let plainHttpRegistry: string | undefined;
  if (own) {
    print("Assembling an image of this machine's Node and its shared libraries …");
    const registry = await openRegistry(await assembleImage(folder, signal));
    cleanup.defer(() => registry.close());
    plainHttpRegistry = registry.host;
    images = [`${registry.host}/${REPOSITORY}:${TAG}`];
    print(`A registry on loopback holds it as ${images[0]}`);
  }

  const dataDirectory = join(folder, 'data');
  const server = await startDemoServer(dataDirectory, options.env);
  cleanup.defer(() => server.stop());
  print(`larder serves ${server.access.endpoint}`);

  const client = await createVendorClient(server.access);
  const imageCacheId = await client.create('demo', images, plainHttpRegistry);
  print(`CreateImageCache, by the vendor's SDK @alicloud/eci20180808: ${imageCacheId}`);
  const snapshotId = await options.follow(server.access, imageCacheId);
  print('DescribeImageCaches answers:');
  print(JSON.stringify(await client.describe(imageCacheId), undefined, 2));

  if (process.getuid?.() !== 0) {
    print('Left out: mounting the snapshot and running the image, because that takes root (sudo npm run demo).');
    return;
  }
  for (const [place, reference] of images.entries()) {
    const directory = join(folder, `root-${place}`);
    await mountAndRun({ dataDirectory, snapshotId, reference, directory, own }, options);
  }
}

function openRegistry(image: AssembledImage) {
  return startLoopbackRegistry(image, { repository: REPOSITORY, tag: TAG });
}

/** A server on a free port with a key of its own; of the environment only what reaches the user's registries. */
async function startDemoServer(dataDirectory: string, env: Environment) {
  const kept = ['PATH', 'HOME', 'DOCKER_CONFIG', 'LARDER_PLAIN_HTTP_REGISTRIES', 'LARDER_INSECURE_REGISTRIES'];
  const config = loadServerConfig(Object.fromEntries(kept.map((name) => [name, env[name]])), {
    dataDirectory,
    defaultRegionId: DEFAULT_REGION_ID,
    listen: '127.0.0.1:0',
    logLevel: 'error',
  });
  const server = await startServer(config);
  const { endpoint, regionId, firstKey } = server;
  if (!firstKey) throw new LarderError('demo.no-key', 'the server made no access key');
  const access: DemoServer = { endpoint, regionId, accessKeyId: firstKey.id, accessKeySecret: firstKey.secret };
  return { access, stop: () => server.stop() };
}

async function mountAndRun(
  image: { dataDirectory: string; snapshotId: string; reference: string; directory: string; own: boolean },
  { print, signal }: DemoOptions,
): Promise<void> {
  const { dataDirectory, snapshotId, reference, directory } = image;
  const startMs = performance.now();
  await attachImage({ dataDirectory, snapshotId, reference, directory, signal });
  try {
    print(`Mounted ${reference} at ${directory} in ${Math.round(performance.now() - startMs)} ms`);
    const { config } = findImage(await readSnapshot(dataDirectory, snapshotId), reference);
    const { command } = entrypointOf(config);
    if (command.length === 0) {
      print('The image names nothing to run.');
      return;
    }
    print(`Running ${command.join(' ')} inside it:`);
    const exitCode = await runEntrypoint({ root: directory, config, onLine: (line) => print(`  ${line}`), signal });
    if (exitCode === undefined) print('Still running at the time limit; ended.');
    else if (exitCode !== 0 && image.own)
      throw new LarderError('demo.run-failed', `it ended with exit code ${exitCode}`);
    else print(`It ended with exit code ${exitCode}.`);
  } finally {
    await detachImage({ dataDirectory, directory });
  }
}
