import type { SnapshotImage } from '../caches/index.ts';
import { type Digest, hexOf } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';

/** The kernel stacks at most 500 lower directories (`OVL_MAX_STACK`, fs/overlayfs/params.h). */
export const MAX_OVERLAY_LAYERS = 500;
/** Without an upper directory an overlay wants two lower ones (fs/overlayfs/super.c). */
const MIN_OVERLAY_LAYERS = 2;
/** mount(2) copies one page of options, its last byte a NUL. */
const MAX_OPTIONS_BYTES = 4095;

/**
 * Options of every overlay. A layer is a stranger's file and may carry `trusted.overlay.*` attributes of its own, so nothing
 * that makes the kernel look elsewhere is followed:
 * - `redirect_dir=nofollow`: a directory can't be redirected to another path (plain `off` still follows by default);
 * - `metacopy=off`: a file can't take its content from another path;
 * - `index=off`: no origin handles are decoded;
 * - `xino=off`: inode numbers stay those of the layer. With it on, the layer's index goes into the upper bits, and beyond
 *   2^53 a program that keeps inode numbers as doubles, as JavaScript does, takes different files for hard links of one.
 *
 * Device files and set-user-id bits are part of an image and stay in force, so the mount point is for root's eyes.
 */
const OVERLAY_OPTIONS = 'ro,noatime,redirect_dir=nofollow,metacopy=off,index=off,xino=off';

export type LayerMount = {
  /** Name of the mount point: the hex digits of the blob's key. */
  readonly name: string;
  readonly file: string;
};

/** How one image becomes one directory. */
export type MountPlan = {
  /** Each layer once. */
  readonly layers: readonly LayerMount[];
  /**
   * The overlay's lower directories, topmost first: a layer's name, or undefined for an empty directory. They stand in the
   * options by their place in this list (`lowerdir=0:1:2`), to be resolved in the working directory of mount(8): 500 full
   * paths would be ten times the page that mount(2) carries.
   */
  readonly lowers: readonly (string | undefined)[];
  readonly options: string;
};

/**
 * Plans the mounts of an image. A layer that comes twice is stacked once, where it is topmost: all it does below is done
 * again above, and the kernel refuses the same directory twice. Throws `nodes.too-many-layers`.
 */
export function planMount(image: Pick<SnapshotImage, 'layers'>, layerFile: (blob: Digest) => string): MountPlan {
  const topFirst = [...new Set(image.layers.map((layer) => layer.blob).toReversed())];
  if (topFirst.length > MAX_OVERLAY_LAYERS) {
    throw new LarderError(
      'nodes.too-many-layers',
      `the image has ${topFirst.length} layers and the kernel stacks at most ${MAX_OVERLAY_LAYERS}`,
    );
  }
  const layers = topFirst.map((blob) => ({ name: hexOf(blob), file: layerFile(blob) }));
  const lowers: (string | undefined)[] = layers.map((layer) => layer.name);
  // A single layer is stacked too: mounted bare, its whiteouts would show as devices 0:0.
  while (lowers.length < MIN_OVERLAY_LAYERS) lowers.push(undefined);
  return { layers, lowers, options: overlayOptions(lowers.length) };
}

/** For so many lower directories. */
export function overlayOptions(lowers: number): string {
  const options = `${OVERLAY_OPTIONS},lowerdir=${Array.from({ length: lowers }, (_, place) => place).join(':')}`;
  if (options.length > MAX_OPTIONS_BYTES) throw new RangeError('overlay options exceed a page');
  return options;
}
