import { LarderError } from '../../lib/errors.ts';
import { SystemCallError } from '../../lib/system-call-error.ts';

/** What was to be done when a system call failed. */
export type Operation = 'erofs' | 'overlay' | 'tmpfs' | 'loop' | 'unmount' | 'lock';

type Meaning = { code: string; message: string };

const NOT_ROOT: Meaning = {
  code: 'nodes.not-root',
  message: 'mounting takes root (CAP_SYS_ADMIN): run it with sudo, or in a container with --privileged',
};
const TOO_MANY: Meaning = {
  code: 'nodes.too-many-files',
  message: 'too many open files: raise ulimit -n, or fs.file-max of the machine',
};
const COMMON: Readonly<Record<string, Meaning>> = {
  EPERM: NOT_ROOT,
  EACCES: NOT_ROOT,
  EMFILE: TOO_MANY,
  ENFILE: TOO_MANY,
  ENOMEM: { code: 'nodes.mount-failed', message: 'the kernel has no memory left: free some' },
  EIO: { code: 'nodes.mount-failed', message: 'the disk reports an error: see dmesg' },
  ENAMETOOLONG: { code: 'nodes.mount-failed', message: 'the path is too long for the kernel: use a shorter one' },
};
const TOO_MANY_MOUNTS: Meaning = {
  code: 'nodes.mount-failed',
  message: 'this mount namespace has as many mounts as it may: unmount some, or raise the sysctl fs.mount-max',
};
const NOT_EROFS: Meaning = {
  code: 'nodes.mount-failed',
  message: 'it is no EROFS file that this kernel can read: see dmesg, and update the cache to build the layer again',
};
const NO_LOOP: Meaning = {
  code: 'nodes.kernel-lacks',
  message:
    'this kernel mounts EROFS files neither directly (Linux 6.12) nor by loop devices: load those with modprobe loop, ' +
    'or in a container start it with --privileged -v /dev:/dev',
};

/** What errno means for each operation, and the next step; what is not here is told by its name. */
const MEANINGS: Readonly<Record<Operation, Readonly<Record<string, Meaning>>>> = {
  erofs: {
    ENODEV: {
      code: 'nodes.kernel-lacks',
      message: 'this kernel has no erofs file system; load it with: modprobe erofs (EROFS is in Linux since 5.4)',
    },
    EINVAL: NOT_EROFS,
    EUCLEAN: NOT_EROFS,
    EBADMSG: NOT_EROFS,
    EOPNOTSUPP: NOT_EROFS,
    ENOSPC: TOO_MANY_MOUNTS,
    ENOENT: { code: 'nodes.layer-missing', message: 'the layer or its mount point is gone: create the cache again' },
  },
  overlay: {
    ENODEV: {
      code: 'nodes.kernel-lacks',
      message: 'this kernel has no overlay file system; load it with: modprobe overlay',
    },
    EINVAL: {
      code: 'nodes.mount-failed',
      message:
        'the kernel refuses the overlay: see dmesg; an upper directory must not lie on an overlay or a network disk',
    },
    EBUSY: { code: 'nodes.in-use', message: 'its upper directory belongs to another mount' },
    ESTALE: { code: 'nodes.mount-failed', message: 'the upper directory was used with other layers: take a new one' },
    ENOSPC: TOO_MANY_MOUNTS,
  },
  tmpfs: {},
  loop: {
    ENOENT: NO_LOOP,
    ENXIO: NO_LOOP,
    ENODEV: NO_LOOP,
    ENOTTY: NO_LOOP,
    EINVAL: { code: 'nodes.kernel-lacks', message: 'this kernel cannot set up loop devices at once (Linux 5.8)' },
    EBUSY: { code: 'nodes.mount-failed', message: 'other programs take every free loop device: try again' },
    ENOSPC: { code: 'nodes.mount-failed', message: 'there is no free loop device' },
  },
  unmount: {
    EBUSY: { code: 'nodes.busy', message: 'a process still uses it; see which with: fuser -vm' },
    EINVAL: { code: 'nodes.not-attached', message: 'nothing is mounted there' },
    ENOENT: { code: 'nodes.not-attached', message: 'there is no such directory' },
  },
  lock: {
    ENOLCK: { code: 'nodes.lock-failed', message: 'the kernel has no locks left' },
  },
};

/** Any failure of an operation on `path`, as an error that says why and what next. Other than system calls' stay as they are. */
export function explainFailure(operation: Operation, path: string, cause: unknown): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined) return cause;
  const known = MEANINGS[operation][errno] ?? COMMON[errno];
  const verb = VERBS[operation];
  if (known) return new LarderError(known.code, `${verb} ${path}: ${known.message}`, { cause, facts: { errno, path } });
  const code = operation === 'lock' ? 'nodes.lock-failed' : 'nodes.mount-failed';
  return new LarderError(code, `${verb} ${path} failed (${errno}); dmesg may say more`, {
    cause,
    facts: { errno, path },
  });
}

const VERBS: Readonly<Record<Operation, string>> = {
  erofs: "can't mount",
  overlay: "can't mount",
  tmpfs: "can't mount a tmpfs at",
  loop: "can't set up a loop device for",
  unmount: "can't unmount",
  lock: "can't lock",
};

/** errno's name, of our own calls and of those of node:fs. */
function errnoOf(cause: unknown): string | undefined {
  if (cause instanceof SystemCallError) return cause.code;
  const system = cause instanceof Error && 'syscall' in cause && 'code' in cause;
  return system && typeof cause.code === 'string' ? cause.code : undefined;
}
