import { createLayout } from '../blobs/index.ts';
import type { Digest } from '../lib/digest.ts';

/** Where a data folder keeps a layer's blob. */
export function layerFileOf(dataDirectory: string, blob: Digest): string {
  return createLayout(dataDirectory).blobFile(blob);
}
