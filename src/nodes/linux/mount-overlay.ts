import { closeSync, openSync } from 'node:fs';
import { errorCode } from '../../lib/errors.ts';
import type { Libc } from '../../lib/libc.ts';
import { explainFailure } from './explain-failure.ts';

const MS_RDONLY = 0x1;
const MS_NOATIME = 0x400;
const MOUNT_ATTR_RDONLY = 0x1;
const MOUNT_ATTR_NOATIME = 0x10;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
/** fsconfig(2) takes strings of 255 bytes. */
const MAX_VALUE_BYTES = 255;
/** mount(2) copies one page of options, its last byte a NUL. */
export const MAX_OPTIONS_BYTES = 4095;
/** A name for the object, not the object itself: nothing is read from it. Not among the constants of node:fs. */
const O_PATH = 0o10000000;

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
export const OVERLAY_OPTIONS: readonly (readonly [key: string, value: string])[] = [
  ['redirect_dir', 'nofollow'],
  ['metacopy', 'off'],
  ['index', 'off'],
  ['xino', 'off'],
];

export type OverlayMount = {
  /** Absolute paths, topmost first; at least two without `upper`, at most 500. */
  lowers: readonly string[];
  /** For a writable mount: two directories on one file system, which is no overlay; `work` is empty. */
  upper?: { directory: string; work: string } | undefined;
  mountPoint: string;
  /** The name it bears in the mount table. */
  source: string;
};

/** `auto` takes the mount calls of Linux 6.7; `mount2` is what older kernels get. */
export type OverlayCalls = 'auto' | 'mount2';

/** Mounts an overlay, read-only where there is no upper directory. Throws `nodes.mount-failed`, `nodes.kernel-lacks`, `nodes.in-use`, `nodes.not-root`. */
export function mountOverlay(libc: Libc, overlay: OverlayMount, calls: OverlayCalls = 'auto'): void {
  try {
    if (calls === 'mount2' || !mountBySteps(libc, overlay)) mountAtOnce(libc, overlay);
  } catch (error) {
    throw explainFailure('overlay', overlay.mountPoint, error);
  }
}

/** fsopen(2) and its kin, one layer per call. False where the kernel does not know them, or not `lowerdir+` (Linux 6.7). */
function mountBySteps(libc: Libc, overlay: OverlayMount): boolean {
  const opened: number[] = [];
  const keep = (fd: number) => {
    opened.push(fd);
    return fd;
  };
  try {
    const context = openContext(libc);
    if (context === undefined) return false;
    keep(context);
    const set = (key: string, value: string) => libc.fsconfig(context, FSCONFIG_SET_STRING, key, value);
    /** A path that is too long goes by a name of its descriptor. */
    const setPath = (key: string, path: string) => {
      const short = Buffer.byteLength(path) <= MAX_VALUE_BYTES;
      set(key, short ? path : `/proc/self/fd/${keep(openSync(path, O_PATH))}`);
    };
    for (const [place, lower] of overlay.lowers.entries()) {
      try {
        setPath('lowerdir+', lower);
      } catch (error) {
        if (place === 0 && errorCode(error) === 'EINVAL') return false;
        throw error;
      }
    }
    set('source', overlay.source);
    for (const [key, value] of OVERLAY_OPTIONS) set(key, value);
    if (overlay.upper) {
      setPath('upperdir', overlay.upper.directory);
      setPath('workdir', overlay.upper.work);
    } else {
      libc.fsconfig(context, FSCONFIG_SET_FLAG, 'ro', null);
    }
    libc.fsconfig(context, FSCONFIG_CMD_CREATE, null, null);
    const readOnly = overlay.upper ? 0 : MOUNT_ATTR_RDONLY;
    const mount = keep(libc.fsmount(context, MOUNT_ATTR_NOATIME | readOnly));
    libc.moveMount(mount, overlay.mountPoint);
    return true;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function openContext(libc: Libc): number | undefined {
  try {
    return libc.fsopen('overlay');
  } catch (error) {
    // ENOSYS: before Linux 5.2. EPERM may be a container's filter of system calls.
    if (errorCode(error) === 'ENOSYS' || errorCode(error) === 'EPERM') return undefined;
    throw error;
  }
}

/**
 * mount(2). Its one page of options has no room for 500 paths, so the layers are opened and named by the numbers of their
 * descriptors, which are names in /proc/self/fd. That becomes the working directory of this process for the length of one
 * system call; nothing else of JavaScript runs meanwhile, and Larder gives other threads absolute paths only.
 */
function mountAtOnce(libc: Libc, overlay: OverlayMount): void {
  const opened: number[] = [];
  const open = (path: string) => {
    const fd = openSync(path, O_PATH);
    opened.push(fd);
    return `${fd}`;
  };
  try {
    const { upper } = overlay;
    const options = [...OVERLAY_OPTIONS, ['lowerdir', overlay.lowers.map(open).join(':')]];
    if (upper) options.push(['upperdir', open(upper.directory)], ['workdir', open(upper.work)]);
    const data = options.map(([key, value]) => `${key}=${value}`).join(',');
    if (data.length > MAX_OPTIONS_BYTES) throw new RangeError('overlay options exceed a page');
    const target = `/proc/self/fd/${open(overlay.mountPoint)}`;
    const [before, descriptors] = [Number(open('.')), Number(open('/proc/self/fd'))];
    libc.fchdir(descriptors);
    try {
      libc.mount(overlay.source, target, 'overlay', MS_NOATIME | (upper ? 0 : MS_RDONLY), data);
    } finally {
      libc.fchdir(before);
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
