import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readSnapshot } from '../../src/nodes/index.ts';
import { benchImage } from '../../test/support/bench-images.ts';
import { unmountBelow } from '../../test/support/containerd.ts';
import type { DockerRegistry } from '../../test/support/docker-registry.ts';
import { createImageCacheClient } from '../../test/support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../../test/support/larder-server.ts';
import { pushImage } from '../../test/support/push-image.ts';

const BUILD_TIMEOUT_MS = 600_000;

/** What every row starts from: an image in a registry, and a server that has it in a cache. */
export type StartBench = {
  /** The image's name as a tag. */
  readonly image: string;
  readonly layout: string;
  readonly registry: DockerRegistry;
  /** In the registry. */
  readonly reference: string;
  readonly server: LarderServer;
  readonly cacheId: string;
  readonly snapshotId: string;
  /** Of the image, in the server's data folder. */
  readonly blobs: { readonly count: number; readonly bytes: number };
  readonly rounds: number;
  /** An empty folder, unmounted and removed when it is disposed of. On the disk of the server's data folder. */
  folder(): Promise<BenchFolder>;
  /** Names of containers, which runc has for the whole machine. */
  containerName(): string;
};

export type BenchFolder = AsyncDisposable & { readonly path: string };

export async function openStartBench(options: {
  work: string;
  registry: DockerRegistry;
  image: string;
  rounds: number;
}): Promise<StartBench & AsyncDisposable> {
  const { work, registry, image, rounds } = options;
  const layout = await benchImage(image);
  const reference = await pushImage(layout, image, registry);
  const server = await startLarder({ parent: work });
  try {
    const cacheId = await createImageCacheClient(server.endpoint).createReady([reference], BUILD_TIMEOUT_MS);
    const described: { ImageCaches: { SnapshotId: string }[] } = JSON.parse(
      await server.cli('describe', cacheId, '--output', 'json'),
    );
    const snapshotId = described.ImageCaches[0]?.SnapshotId ?? '';
    const { images } = await readSnapshot(server.dataDirectory, snapshotId);
    const layers = images[0]?.layers ?? [];
    let names = 0;
    return {
      image,
      layout,
      registry,
      reference,
      server,
      cacheId,
      snapshotId,
      blobs: { count: layers.length, bytes: layers.reduce((total, { blobBytes }) => total + blobBytes, 0) },
      rounds,
      async folder() {
        // Short: sockets below it have 107 bytes for their paths.
        const path = await mkdtemp(join(work, 'b-'));
        return {
          path,
          async [Symbol.asyncDispose]() {
            unmountBelow(path);
            await rm(path, { recursive: true, force: true });
          },
        };
      },
      containerName: () => `larder-bench-${process.pid}-${names++}`,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
