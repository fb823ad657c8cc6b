import { hash } from 'node:crypto';
import { type Digest, hexOf } from '../../lib/digest.ts';

/**
 * Characters of a short link, 50 bits. Podman's own links have 26; short ones matter, because Podman before 4.4 must fit all
 * paths of a container's layers into one page of mount options.
 */
export const LINK_LENGTH = 10;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/**
 * The ids that containers/image gives to the layers of an image, bottom first (storage_dest.go, `layerID`). With these a pull of
 * the same image finds our layers instead of downloading them.
 */
export function storageLayerIds(diffIds: readonly Digest[]): string[] {
  const ids: string[] = [];
  for (const diffId of diffIds) {
    const parent = ids.at(-1);
    ids.push(parent === undefined ? hexOf(diffId) : hash('sha256', `${parent}+${hexOf(diffId)}`, 'hex'));
  }
  return ids;
}

/**
 * The name under `overlay/l` by which other layers and containers refer to a layer. Always the same for a layer: containers
 * that were made before a reboot, or before the store was made anew, keep the name on their disk.
 */
export function shortLink(layerId: string): string {
  const bits = hash('sha256', `larder ${layerId}`, 'buffer');
  return Array.from({ length: LINK_LENGTH }, (_, place) => BASE32[(bits[place] ?? 0) & 31]).join('');
}

/** The file name of a data item of an image (containers/storage, `makeBigDataBaseName`). */
export function bigDataFile(key: string): string {
  return /^[a-z0-9.]+$/.test(key) ? key : `=${Buffer.from(key).toString('base64')}`;
}
