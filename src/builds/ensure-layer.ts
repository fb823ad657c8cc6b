import { setTimeout as sleep } from 'node:timers/promises';
import { convertLayer } from '../layers/index.ts';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { underLease } from '../lib/lease.ts';
import { layerCompression } from '../oci/index.ts';
import type { LayerRecord } from '../store/ports.ts';
import { BUSY_POLL_MS, type BuildServices, LEASE_MS } from './services.ts';

export type LayerJob = {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly compressedBytes: number;
  /** Who asks; every build has its own name, so that two builds of one process see each other's lease. */
  readonly owner: string;
  /** The snapshot that uses the layer from now on. */
  readonly snapshotId: string;
  /** The blob may not grow beyond this: what is left of the cache's size. */
  readonly maxBlobBytes: number;
  readonly download: (signal: AbortSignal, onBytes: (downloaded: number) => void) => AsyncIterable<Uint8Array>;
  readonly onBytes: (downloaded: number) => void;
};

/**
 * Makes sure that the layer's blob is there: takes it as it is, waits for whoever converts it now (single flight over
 * the whole installation), or downloads and converts it. `reused` says that this call did not download it.
 */
export async function ensureLayer(
  job: LayerJob,
  services: BuildServices,
  signal: AbortSignal,
): Promise<{ layer: LayerRecord; reused: boolean }> {
  const known = await services.store.layers.use(job.diffId, job.snapshotId);
  if (known) return { layer: known, reused: true };
  for (;;) {
    const answer = await services.layerSlots(() => tryOnce(job, services, signal), signal);
    if (answer) return answer;
    // Waiting happens outside the slot, so that the one we wait for can have it.
    await sleep(BUSY_POLL_MS, undefined, { signal });
  }
}

/** Undefined while another build converts the layer. */
async function tryOnce(job: LayerJob, services: BuildServices, signal: AbortSignal) {
  const { layers } = services.store;
  const { owner, snapshotId } = job;
  const claim = await layers.claim(job.diffId, { owner, snapshotId, nowMs: services.clock.now(), leaseMs: LEASE_MS });
  if (claim.state === 'ready') return { layer: claim.layer, reused: true };
  if (claim.state === 'busy') return undefined;
  try {
    const renew = () => layers.renew(job.diffId, job.owner, services.clock.now() + LEASE_MS);
    const layer = await underLease((leased) => convert(job, services, leased), { renew, leaseMs: LEASE_MS, signal });
    if (!(await layers.publish(layer, { owner, snapshotId, nowMs: services.clock.now() }))) {
      throw new LarderError('lease.lost', 'another worker took this layer over');
    }
    return { layer, reused: false };
  } catch (error) {
    await layers.release(job.diffId, job.owner);
    throw error;
  }
}

async function convert(job: LayerJob, services: BuildServices, signal: AbortSignal): Promise<LayerRecord> {
  const ingest = await services.blobs.begin();
  try {
    const result = await convertLayer(job.download(signal, job.onBytes), {
      compression: layerCompression(job.mediaType),
      expectedDigest: job.digest,
      expectedDiffId: job.diffId,
      expectedBytes: job.compressedBytes,
      sink: {
        writev: (buffers, position) => {
          const end = buffers.reduce((sum, buffer) => sum + buffer.byteLength, position);
          if (end > job.maxBlobBytes) throw exceedsSize(job);
          return ingest.writev(buffers, position);
        },
      },
      limits: services.layerLimits,
      decompressor: services.decompressor,
      signal,
    });
    await ingest.commit(job.diffId, result.blobBytes);
    const { blobBytes, tarBytes, contentBytes } = result;
    return { diffId: job.diffId, blobBytes, tarBytes, contentBytes };
  } finally {
    await ingest.abort();
  }
}

function exceedsSize(job: LayerJob): LarderError {
  return new LarderError('builds.exceeds-size', `layer ${job.digest} needs more space than the image cache has left`, {
    facts: { layer: job.digest, leftBytes: job.maxBlobBytes },
  });
}
