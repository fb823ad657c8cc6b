import { snapshotIdOf } from '../caches/index.ts';
import { allOrAbort } from '../lib/all-or-abort.ts';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { formatBytes } from '../lib/format.ts';
import { chainIds } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { ClaimedBuild, LayerRecord } from '../store/ports.ts';
import type { BuildProgress } from './build-progress.ts';
import { ensureLayer } from './ensure-layer.ts';
import { type BuildImage, pullFailed } from './resolve-images.ts';
import type { BuildServices } from './services.ts';

const GIB = 2 ** 30;

export type PullContext = {
  readonly services: BuildServices;
  readonly owner: string;
  readonly progress: BuildProgress;
  readonly client: RegistryClient;
  readonly signal: AbortSignal;
};

type ImageLayer = BuildImage['resolved']['layers'][number];
/** One distinct layer of the cache, by chainID: the same tar on other layers may become another blob. */
type Job = {
  image: BuildImage;
  layer: ImageLayer;
  chainId: Digest;
  below: readonly Digest[];
  done: PromiseWithResolvers<void>;
};

/**
 * Brings every layer of the images into the store, each once, and announces an image as its last layer arrives. The result
 * has a record for every chainID. Throws `builds.pull-failed`, `builds.exceeds-size` and what the blob store throws.
 */
export async function pullLayers(
  build: ClaimedBuild,
  images: readonly BuildImage[],
  context: PullContext,
): Promise<Map<Digest, LayerRecord>> {
  const { progress } = context;
  const jobs = planJobs(images);
  const records = new Map<Digest, LayerRecord>();
  const reused = new Set<Digest>();
  const announced = new Set<BuildImage>();

  function announceComplete(): void {
    for (const image of images) {
      const chain = chainOf(image);
      if (announced.has(image) || !chain.every((chainId) => records.has(chainId))) continue;
      announced.add(image);
      const message = pulledMessage(image, chain.filter((chainId) => reused.has(chainId)).length);
      progress.event({ type: 'Normal', reason: 'Pulled', message });
    }
  }

  announceComplete();
  const tasks = [...jobs.values()].map((job) => async (signal: AbortSignal) => {
    const answer = await pullOne(build, job, { ...context, signal, records, jobs });
    records.set(job.chainId, answer.layer);
    if (answer.reused) reused.add(job.chainId);
    job.done.resolve();
    progress.layer(job.layer.digest, { state: 'done' });
    checkSize(build, records.values());
    announceComplete();
  });
  await allOrAbort(tasks, context.signal);
  return records;
}

function planJobs(images: readonly BuildImage[]): Map<Digest, Job> {
  const jobs = new Map<Digest, Job>();
  for (const image of images) {
    const chain = chainOf(image);
    chain.forEach((chainId, index) => {
      const layer = image.resolved.layers[index];
      if (!layer || jobs.has(chainId)) return;
      jobs.set(chainId, { image, layer, chainId, below: chain.slice(0, index), done: Promise.withResolvers() });
    });
  }
  return jobs;
}

export function chainOf(image: BuildImage): Digest[] {
  return chainIds(image.resolved.layers.map((layer) => layer.diffId));
}

async function pullOne(
  build: ClaimedBuild,
  job: Job,
  context: PullContext & { records: ReadonlyMap<Digest, LayerRecord>; jobs: ReadonlyMap<Digest, Job> },
) {
  const { services, owner, progress, client, records, jobs, signal } = context;
  const { image, layer } = job;
  try {
    return await ensureLayer(
      {
        diffId: layer.diffId,
        chainId: job.chainId,
        digest: layer.digest,
        mediaType: layer.mediaType,
        compressedBytes: layer.size,
        owner,
        snapshotId: snapshotIdOf(build.id),
        maxBlobBytes: build.cache.sizeGib * GIB,
        onBytes: (downloadedBytes) => progress.layer(layer.digest, { state: 'pulling', downloadedBytes }),
        download: (leased, onBytes) => client.openLayer(image.reference, layer, { signal: leased, onBytes }),
        distrustMirrors: () => client.distrustMirrors(layer.digest),
        below: () => waitForBelow(job, { jobs, records, signal }),
      },
      services,
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof LarderError && /^(builds|blobs|lease)\./.test(error.code)) throw error;
    throw pullFailed(image.given, error, `, layer ${layer.digest}`);
  }
}

async function waitForBelow(
  job: Job,
  context: { jobs: ReadonlyMap<Digest, Job>; records: ReadonlyMap<Digest, LayerRecord>; signal: AbortSignal },
): Promise<Digest[]> {
  const { jobs, records, signal } = context;
  signal.throwIfAborted();
  const below = job.below.flatMap((chainId) => jobs.get(chainId)?.done.promise ?? []);
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  await Promise.race([Promise.all(below), aborted]);
  return job.below.map((chainId) => records.get(chainId)?.diffId ?? chainId);
}

function pulledMessage(image: BuildImage, reusedLayers: number): string {
  const { layers } = image.resolved;
  const bytes = layers.reduce((sum, layer) => sum + layer.size, 0);
  return `Successfully pulled image ${image.given} (${layers.length} layers, ${reusedLayers} reused, ${formatBytes(bytes)} compressed)`;
}

/** The images of a cache may not take more space than its size, each shared layer counted once. */
export function checkSize(build: ClaimedBuild, records: Iterable<LayerRecord>): void {
  const bytesByKey = new Map<Digest, number>();
  for (const record of records) bytesByKey.set(record.diffId, record.blobBytes);
  const bytes = [...bytesByKey.values()].reduce((sum, size) => sum + size, 0);
  if (bytes <= build.cache.sizeGib * GIB) return;
  throw new LarderError('builds.exceeds-size', `they take ${formatBytes(bytes)} or more`, { facts: { bytes } });
}
