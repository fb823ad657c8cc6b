import { existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { checkLayerFile } from './check-layer-file.ts';
import { type Backing, loadLibc, mountErofs, tryUnmount } from './linux/index.ts';
import type { LayerMount } from './mount-plan.ts';

/** After so many system calls (a mount takes 0.1 ms) other work of the process gets its turn. */
const CALLS_PER_TURN = 16;

export type LayerMountOptions = {
  /** Where mount points are made, one folder per layer; quick when it is one of {@link openMountFolder}. */
  directory: string;
  signal?: AbortSignal | undefined;
  /** `loop` mounts on loop devices also where the kernel mounts files. */
  backing?: Backing | undefined;
};

/**
 * Mounts each layer read-only at `<directory>/<name>`; those that are mounted already are left alone. The file of each is
 * checked first: it carries the mark of a verified file, or its bytes have the layer's `digest`. File-backed where the kernel
 * can (Linux 6.12), on loop devices elsewhere. To be called under a lock ({@link withMountLock}) that everybody takes who mounts below
 * `directory`. After a failure some layers may be mounted.
 *
 * Throws `nodes.layer-missing`, `nodes.blob-changed`, `nodes.mount-failed`, `nodes.kernel-lacks`, `nodes.not-root`.
 */
export async function mountLayers(layers: readonly LayerMount[], options: LayerMountOptions): Promise<void> {
  const { directory, signal, backing } = options;
  const libc = await loadLibc();
  mkdirSync(directory, { recursive: true });
  const { dev } = statSync(directory);
  for (const [place, layer] of layers.entries()) {
    if (place % CALLS_PER_TURN === 0) await setImmediate();
    signal?.throwIfAborted();
    const mountPoint = join(directory, layer.name);
    const mounted = isMountPoint(mountPoint, dev);
    // A mount outlives the name of its file, which may have been collected.
    if (mounted && !existsSync(layer.file)) continue;
    const checking = checkLayerFile(layer, signal);
    if (checking) await checking;
    if (mounted) continue;
    mkdirSync(mountPoint, { recursive: true });
    mountErofs(libc, layer.file, mountPoint, backing);
  }
}

/** Unmounts layers and removes their mount points. What is busy stays for the next time; a path where nothing is mounted is fine. */
export async function unmountLayers(mountPoints: readonly string[], signal?: AbortSignal): Promise<void> {
  if (mountPoints.length === 0) return;
  const libc = await loadLibc();
  for (const [place, mountPoint] of mountPoints.entries()) {
    if (place % CALLS_PER_TURN === 0) await setImmediate();
    signal?.throwIfAborted();
    tryUnmount(libc, mountPoint);
    try {
      rmdirSync(mountPoint);
    } catch {
      // Busy, or never made.
    }
  }
}

/** Whether a file system is mounted at a path: it has another device number than the folder that the path is in. */
export function isMountPoint(path: string, parentDevice?: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev !== (parentDevice ?? statSync(dirname(path)).dev);
}
