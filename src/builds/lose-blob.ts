import { type Digest, hexOf } from '../lib/digest.ts';
import type { LossReason } from '../store/ports.ts';
import type { CareServices } from './services.ts';
import { tellCaches } from './tell-caches.ts';

export type LossServices = Pick<CareServices, 'store' | 'blobs' | 'keeper' | 'detachLayer' | 'clock' | 'log'>;

const WHAT: Readonly<Record<LossReason, string>> = {
  missing: 'is missing on the disk of the server',
  'wrong-size': 'has another size on the disk of the server than when it was written',
  'wrong-digest': 'has changed on the disk of the server',
  unreadable: 'cannot be read from the disk of the server',
};

/**
 * Takes a blob out of service: its file is put aside, its layer is lost until it is rebuilt, its caches get a warning. The file
 * goes first: should we die in between, the next start finds a layer without a file. False when the file was replaced or the
 * layer removed meanwhile.
 */
export async function loseBlob(
  diffId: Digest,
  loss: { reason: LossReason; fileId?: string | undefined },
  services: LossServices,
): Promise<boolean> {
  const { store, blobs, keeper, clock, log } = services;
  const { reason, fileId } = loss;
  if (reason === 'missing') {
    if ((await blobs.size(diffId)) !== undefined) return false;
  } else if (!(await keeper.quarantine(diffId, { fileId, nowMs: clock.now() }))) return false;
  await services.detachLayer?.(hexOf(diffId));
  if (!(await store.health.lose(diffId, { reason, nowMs: clock.now() }))) return false;
  const users = await store.health.users(diffId);
  log.warn({ diffId, reason, imageCaches: users.length }, 'layer lost: put aside, to be rebuilt from its registry');
  const message = `Layer ${diffId} ${WHAT[reason]}. It was put aside and is rebuilt from the registry; until then the images that have it cannot be attached anew.`;
  await tellCaches(services, users, { type: 'Warning', reason: 'Damaged', message });
  return true;
}
