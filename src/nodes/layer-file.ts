import { join } from 'node:path';
import { type Digest, hexOf } from '../lib/digest.ts';

/** Where a data folder keeps a layer's blob (blobs/layout.ts). */
export function layerFileOf(dataDirectory: string, blob: Digest): string {
  const hex = hexOf(blob);
  return join(dataDirectory, 'layers', 'sha256', hex.slice(0, 2), `${hex}.erofs`);
}
