import { hexOf } from '../../lib/digest.ts';
import { mergeLayers } from './layer-roots.ts';
import type { ImageRecord } from './records.ts';
import type { StoreLayer } from './store-model.ts';

export type StoreContent = { images: readonly ImageRecord[]; layers: readonly StoreLayer[] };

export type RetainOptions = {
  wanted: StoreContent;
  /** What the store holds now. */
  previous: StoreContent;
  /** Ids of layers on which containers, or images built from ours, stand. */
  referenced: ReadonlySet<string>;
  /** Since when images are no longer wanted, by id. */
  retiredAtMs: Readonly<Record<string, number>>;
  nowMs: number;
  /** How long what is no longer wanted stays in any case: a container may be starting from it. */
  graceMs: number;
};

/**
 * What the store holds next: all that is wanted; without a name, images no longer wanted that a container stands on, or whose
 * time of grace is not over; and every layer that those need.
 */
export function retain(options: RetainOptions): {
  images: ImageRecord[];
  layers: StoreLayer[];
  retiredAtMs: Record<string, number>;
} {
  const { wanted, previous, referenced, nowMs, graceMs } = options;
  const wantedImages = new Set(wanted.images.map((image) => image.id));
  const images = [...wanted.images];
  const retiredAtMs: Record<string, number> = {};
  for (const image of previous.images) {
    if (wantedImages.has(image.id)) continue;
    const since = Math.min(options.retiredAtMs[image.id] ?? nowMs, nowMs);
    const inUse = image.layer !== undefined && referenced.has(image.layer);
    if (!inUse && nowMs - since >= graceMs) continue;
    retiredAtMs[image.id] = since;
    images.push(withoutNames(image));
  }

  // What is wanted was just planned, and wins over what an earlier run wrote.
  const known = mergeLayers([...previous.layers, ...wanted.layers]);
  const kept = new Set<StoreLayer>();
  const keep = (id: string | undefined): void => {
    const layer = id === undefined ? undefined : known.get(id);
    if (!layer || kept.has(layer)) return;
    kept.add(layer);
    keep(layer.parent);
    if (layer.rootFrom !== undefined) keep(hexOf(layer.diffId));
  };
  for (const image of images) keep(image.layer);
  for (const id of referenced) keep(id);
  return { images, layers: inOrder([...kept]), retiredAtMs };
}

function withoutNames(image: ImageRecord): ImageRecord {
  const { names = [], ...rest } = image;
  const history = [...new Set([...names, ...(image['names-history'] ?? [])])];
  return { ...rest, ...(history.length > 0 ? { 'names-history': history } : {}) };
}

/** Layers that stand alone first, for the sake of {@link standAlone}; else by id, so that nothing changes without a cause. */
function inOrder(layers: readonly StoreLayer[]): StoreLayer[] {
  const rank = (layer: StoreLayer) => (layer.parent === undefined ? 0 : 1);
  return layers.toSorted((one, other) => rank(one) - rank(other) || (one.id < other.id ? -1 : 1));
}
