import { setTimeout as sleep } from 'node:timers/promises';
import { convertLayer, type LowerLookup } from '../layers/index.ts';
import type { Digest } from '../lib/digest.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import { underLease } from '../lib/lease.ts';
import { takeSlot } from '../lib/limit.ts';
import { layerCompression } from '../oci/index.ts';
import type { LayerRecord } from '../store/ports.ts';
import { openLowerLayers } from './lower-lookup.ts';
import { BUSY_POLL_MS, type BuildServices, LEASE_MS } from './services.ts';
import { collectingDecompressor, collectingGarbage, heapForLargeTree } from './young-garbage.ts';

export type LayerJob = {
  readonly diffId: Digest;
  readonly chainId: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly compressedBytes: number;
  /** Who asks; every build has its own name, so that two builds of one process see each other's lease. */
  readonly owner: string;
  /** The snapshot that uses the layer from now on. */
  readonly snapshotId: string;
  /** The blob may not grow beyond this: the cache's size. */
  readonly maxBlobBytes: number;
  readonly download: (signal: AbortSignal, onBytes: (downloaded: number) => void) => AsyncIterable<Uint8Array>;
  readonly onBytes: (downloaded: number) => void;
  /** To be called when the download came out wrong: true when another one is not from the mirrors that gave this one. */
  readonly distrustMirrors: () => boolean;
  /** Blob keys of the layers below, bottom first, once they are there. */
  readonly below: () => Promise<readonly Digest[]>;
};

export type EnsuredLayer = {
  readonly layer: LayerRecord /** Not downloaded by this call. */;
  readonly reused: boolean;
};

/**
 * Makes sure that the layer's blob is there: takes it as it is, waits for whoever converts it now (single flight over the
 * whole installation), or downloads and converts it.
 *
 * Layers are converted without looking at each other. The few that can't be, because they link to a file of a lower layer
 * or don't name their directories, are converted again on top of the layers below, and kept under their chainID.
 */
export async function ensureLayer(job: LayerJob, services: BuildServices, signal: AbortSignal): Promise<EnsuredLayer> {
  const { layers } = services.store;
  for (const key of new Set([job.chainId, job.diffId])) {
    const layer = await layers.use(key, job.snapshotId);
    if (layer) return { layer, reused: true };
  }
  const alone = await singleFlight({ ...job, key: job.diffId }, services, signal);
  if (alone !== NEEDS_LOWER) return alone;
  const lower = await openLowerLayers(await job.below(), services.blobs, services.layerLimits);
  try {
    const stacked = await singleFlight({ ...job, key: job.chainId, lower: lower.lookup }, services, signal);
    if (stacked === NEEDS_LOWER) throw new TypeError('a layer can be converted when those below are known');
    return stacked;
  } finally {
    await lower.close();
  }
}

const NEEDS_LOWER = Symbol('the layer depends on those below');
type Conversion = LayerJob & { readonly key: Digest; readonly lower?: LowerLookup };

async function singleFlight(
  job: Conversion,
  services: BuildServices,
  signal: AbortSignal,
): Promise<EnsuredLayer | typeof NEEDS_LOWER> {
  for (;;) {
    const answer = await services.layerSlots(() => tryOnce(job, services, signal), signal);
    if (answer) return answer;
    // Waiting happens outside the slot, so that the one we wait for can have it.
    await sleep(BUSY_POLL_MS, undefined, { signal });
  }
}

/** Undefined while another build converts the layer. */
async function tryOnce(
  job: Conversion,
  services: BuildServices,
  signal: AbortSignal,
): Promise<EnsuredLayer | typeof NEEDS_LOWER | undefined> {
  const { layers } = services.store;
  const { key, owner, snapshotId } = job;
  const claim = await layers.claim(key, { owner, snapshotId, nowMs: services.clock.now(), leaseMs: LEASE_MS });
  if (claim.state === 'ready') return { layer: claim.layer, reused: true };
  if (claim.state === 'busy') return undefined;
  try {
    const renew = () => layers.renew(key, owner, services.clock.now() + LEASE_MS);
    const layer = await underLease((leased) => convertFromAnywhere(job, services, leased), {
      renew,
      leaseMs: LEASE_MS,
      signal,
    });
    if (layer === NEEDS_LOWER) {
      await layers.release(key, owner);
      return NEEDS_LOWER;
    }
    if (!(await layers.publish(layer, { owner, snapshotId, nowMs: services.clock.now() }))) {
      throw new LarderError('lease.lost', 'another worker took this layer over');
    }
    return { layer, reused: false };
  } catch (error) {
    await layers.release(key, owner);
    throw error;
  }
}

/** What a mirror has wrong may be right at the registry. */
async function convertFromAnywhere(
  job: Conversion,
  services: BuildServices,
  signal: AbortSignal,
): Promise<LayerRecord | typeof NEEDS_LOWER> {
  try {
    return await convert(job, services, signal);
  } catch (error) {
    const isOfContent = errorCode(error)?.startsWith('layers.') === true;
    if (!isOfContent || signal.aborted || !job.distrustMirrors()) throw error;
    services.log.warn({ err: error, layer: job.digest }, 'a mirror gave a wrong layer; the registry is asked');
    return convert(job, services, signal);
  }
}

async function convert(
  job: Conversion,
  services: BuildServices,
  signal: AbortSignal,
): Promise<LayerRecord | typeof NEEDS_LOWER> {
  const { key, lower } = job;
  const ingest = await services.blobs.begin();
  let leave = () => {};
  try {
    const result = await convertLayer(collectingGarbage(job.download(signal, job.onBytes)), {
      compression: layerCompression(job.mediaType),
      expectedDigest: job.digest,
      expectedDiffId: job.diffId,
      expectedBytes: job.compressedBytes,
      sink: {
        scratch: () => ingest.scratch(),
        reserve(blobBytes) {
          if (blobBytes > job.maxBlobBytes) throw exceedsSize(job);
        },
        writev: (buffers, position) => {
          const end = buffers.reduce((sum, buffer) => sum + buffer.byteLength, position);
          if (end > job.maxBlobBytes) throw exceedsSize(job);
          return ingest.writev(buffers, position);
        },
      },
      limits: services.layerLimits,
      hashing: services.hashing,
      decompressor: collectingDecompressor(services.decompressorFor(job.compressedBytes)),
      ...(lower ? { lower } : {}),
      onLarge: async () => {
        const leaveSlot = await takeSlot(services.largeLayers, signal);
        const leaveHeap = heapForLargeTree();
        leave = () => {
          leaveHeap();
          leaveSlot();
        };
      },
      signal,
    });
    if (result.isRootOpaque) {
      // overlayfs has no mark for it, and which images will use the layer is not known: better no cache than a wrong one.
      throw new LarderError(
        'builds.opaque-root',
        `layer ${job.digest} deletes all that lies below it, at its root; this is not supported`,
      );
    }
    // The root alone does not count: hardly any layer names it, and unpackers leave it as they find it, too.
    const hasImplicit = result.implicitDirectories.some((path) => path !== '');
    if (hasImplicit && !lower && job.chainId !== job.diffId) return NEEDS_LOWER;
    await ingest.commit(key, result.blobBytes);
    const { blobBytes, blobDigest, tarBytes, contentBytes } = result;
    return { diffId: key, blobBytes, blobDigest, tarBytes, contentBytes };
  } catch (error) {
    const linksBelow = errorCode(error) === 'layers.link-outside-layer';
    if (linksBelow && !lower && job.chainId !== job.diffId) return NEEDS_LOWER;
    throw error;
  } finally {
    leave();
    await ingest.abort();
  }
}

function exceedsSize(job: LayerJob): LarderError {
  const message = `layer ${job.digest} alone needs more space than the image cache has`;
  return new LarderError('builds.exceeds-size', message, { facts: { layer: job.digest, maxBytes: job.maxBlobBytes } });
}
