import type { SnapshotImage } from '../caches/index.ts';
import { type Digest, hexOf } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';

/** The kernel stacks at most 500 lower directories (`OVL_MAX_STACK`, fs/overlayfs/params.h). */
export const MAX_OVERLAY_LAYERS = 500;
/** Without an upper directory an overlay wants two lower ones (fs/overlayfs/super.c). */
const MIN_OVERLAY_LAYERS = 2;

export type LayerMount = {
  /** Name of the mount point: the hex digits of the blob's key. */
  readonly name: string;
  readonly file: string;
  /** Tree digest of the file; snapshots made before digests were kept have none. */
  readonly digest?: Digest | undefined;
};

/** How one image becomes one directory. */
export type MountPlan = {
  /** Each layer once. */
  readonly layers: readonly LayerMount[];
  /** The overlay's lower directories, topmost first: a layer's name, or undefined for an empty directory. */
  readonly lowers: readonly (string | undefined)[];
};

/**
 * Plans the mounts of an image. A layer that comes twice is stacked once, where it is topmost: all it does below is done
 * again above, and the kernel refuses the same directory twice. Throws `nodes.too-many-layers`.
 */
export function planMount(image: Pick<SnapshotImage, 'layers'>, layerFile: (blob: Digest) => string): MountPlan {
  const topFirst = new Map(image.layers.toReversed().map((layer) => [layer.blob, layer.blobDigest]));
  if (topFirst.size > MAX_OVERLAY_LAYERS) {
    throw new LarderError(
      'nodes.too-many-layers',
      `the image has ${topFirst.size} layers and the kernel stacks at most ${MAX_OVERLAY_LAYERS}`,
    );
  }
  const layers = [...topFirst].map(([blob, digest]) => ({ name: hexOf(blob), file: layerFile(blob), digest }));
  const lowers: (string | undefined)[] = layers.map((layer) => layer.name);
  // A single layer is stacked too: mounted bare, its whiteouts would show as devices 0:0.
  while (lowers.length < MIN_OVERLAY_LAYERS) lowers.push(undefined);
  return { layers, lowers };
}
