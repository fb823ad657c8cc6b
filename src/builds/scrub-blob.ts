import type { Digest } from '../lib/digest.ts';
import { errorCode } from '../lib/errors.ts';
import type { LossReason, StoredBlob } from '../store/ports.ts';
import { type LossServices, loseBlob } from './lose-blob.ts';
import type { CareServices } from './services.ts';

export type ReadOptions = { signal: AbortSignal; onPiece?: (bytes: number) => void | Promise<void> };
export type BlobVerdict =
  | { state: 'right'; blobDigest: Digest }
  | { state: LossReason; blobDigest?: Digest; fileId?: string };

/** Reads a blob and compares it with its row. Throws what says nothing about its bytes (`blobs.too-many-files`, …). */
export async function checkBlob(
  blob: StoredBlob,
  { keeper }: Pick<CareServices, 'keeper'>,
  options: ReadOptions,
): Promise<BlobVerdict> {
  try {
    const { blobDigest, bytes, fileId } = await keeper.read(blob.diffId, options);
    if (bytes !== blob.blobBytes) return { state: 'wrong-size', blobDigest, fileId };
    const isRight = blob.blobDigest === undefined || blob.blobDigest === blobDigest;
    return isRight ? { state: 'right', blobDigest } : { state: 'wrong-digest', blobDigest, fileId };
  } catch (error) {
    if (errorCode(error) === 'blobs.not-found') return { state: 'missing' };
    if (errorCode(error) === 'blobs.unreadable') return { state: 'unreadable' };
    throw error;
  }
}

/**
 * Checks a blob, records it when it is right, and takes it out of service when it is not. What differs is read once more: a
 * wire may have failed, not the disk. A blob of before digests were kept is taken for right, and has one from now on.
 */
export async function scrubBlob(
  blob: StoredBlob,
  services: LossServices,
  options: ReadOptions,
): Promise<'right' | LossReason | 'gone'> {
  const { store, keeper, clock, log } = services;
  let verdict = await checkBlob(blob, services, options);
  if (verdict.state === 'wrong-digest') {
    const first = verdict;
    verdict = await checkBlob(blob, services, { signal: options.signal });
    if (verdict.state === 'right')
      log.warn({ diffId: blob.diffId, read: first.blobDigest ?? '' }, 'a blob was read wrong once, and then right');
  }
  if (verdict.state !== 'right') {
    const { state, fileId } = verdict;
    return (await loseBlob(blob.diffId, { reason: state, fileId }, services)) ? state : 'gone';
  }
  await keeper.confirm(blob.diffId);
  await store.health.recordCheck(blob.diffId, { blobDigest: verdict.blobDigest, nowMs: clock.now() });
  return 'right';
}
