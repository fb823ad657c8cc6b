/** Bytes of one layer of a cache whose images are being pulled. */
export type LayerBytes = { readonly downloadedBytes: number; readonly totalBytes: number };

/** What a cache shows once its snapshot is there, and only then. */
export const READY_PERCENT = 100;
const MAX_PERCENT_UNDER_WAY = READY_PERCENT - 1;

/**
 * Progress of a pull as a whole number from 0 to 99. It never falls below `previousPercent`, though the total grows as images
 * are resolved or a download starts again. The phase after it starts again at 0, as the API shows it.
 */
export function pullPercent(layers: Iterable<LayerBytes>, previousPercent: number = 0): number {
  let downloaded = 0;
  let total = 0;
  for (const layer of layers) {
    downloaded += Math.min(layer.downloadedBytes, layer.totalBytes);
    total += layer.totalBytes;
  }
  const percent = total === 0 ? 0 : Math.floor((downloaded / total) * 100);
  return Math.min(Math.max(percent, previousPercent), MAX_PERCENT_UNDER_WAY);
}
