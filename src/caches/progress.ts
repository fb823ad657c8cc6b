/** Work done and to do, in any one unit (bytes of layers, steps). */
export type Work = { readonly done: number; readonly total: number };

/** What a cache shows once its snapshot is there, and only then. */
export const READY_PERCENT = 100;
const MAX_PERCENT_UNDER_WAY = READY_PERCENT - 1;

/**
 * Progress of the phase under way as a whole number from 0 to 99. It never falls below `previousPercent`, though the total grows
 * as images are resolved or a download starts again. A change of status starts again at 0, as the API shows it.
 */
export function progressPercent(parts: Iterable<Work>, previousPercent: number = 0): number {
  let done = 0;
  let total = 0;
  for (const part of parts) {
    done += Math.min(part.done, part.total);
    total += part.total;
  }
  const percent = total === 0 ? 0 : Math.floor((done / total) * 100);
  return Math.min(Math.max(percent, previousPercent), MAX_PERCENT_UNDER_WAY);
}
