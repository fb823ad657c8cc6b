import { hexOf } from '../../lib/digest.ts';
import type { StoreLayer } from './store-model.ts';

/**
 * Says of the uppermost layer of an image whose root directory it shows. Podman gives a container the root of that layer; where
 * its tar names none, the nearest layer below that does must show through.
 */
export function withRoot(chain: readonly StoreLayer[], namesRoot: (layer: StoreLayer) => boolean): StoreLayer[] {
  const top = chain.at(-1);
  const named = chain.findLast(namesRoot);
  if (top === undefined || named === undefined || named === top) return [...chain];
  return [...chain.slice(0, -1), { ...top, rootFrom: named.id }];
}

/**
 * Layers with a foreign root have an empty `diff` in front of their content, and what reads `diff` alone takes them for empty:
 * containers/image does when it pulls an image that has the same layer on top of others. It takes the first layer of the list
 * with the right diffID, so each such layer is listed once more by itself, with its content in `diff`.
 */
export function standAlone(layers: readonly StoreLayer[]): StoreLayer[] {
  const extra = layers.filter((layer) => layer.rootFrom !== undefined);
  return extra.map((layer) => ({
    ...layer,
    id: hexOf(layer.diffId),
    parent: undefined,
    rootFrom: undefined,
    copy: 0,
  }));
}

/** The same layer in several images, and from an earlier run: a foreign root once given stays, whatever stands on the layer. */
export function mergeLayers(layers: Iterable<StoreLayer>): Map<string, StoreLayer> {
  const merged = new Map<string, StoreLayer>();
  for (const layer of layers) {
    const rootFrom = layer.rootFrom ?? merged.get(layer.id)?.rootFrom;
    merged.set(layer.id, { ...layer, ...(rootFrom === undefined ? {} : { rootFrom }) });
  }
  return merged;
}
