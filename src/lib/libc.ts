import { SystemCallError } from './system-call-error.ts';

/**
 * The system calls that Node.js lacks, by the C library's own names and arguments. They run on the calling thread: each is a
 * matter of microseconds on local disks. All throw {@link SystemCallError}; numbers are file descriptors where not said.
 */
export type Libc = {
  mount(source: string, target: string, type: string, flags: number, data: string): void;
  umount2(target: string, flags: number): void;
  flock(fd: number, operation: number): void;
  /** An argument that is a number, or the bytes of a structure, which the kernel may fill. */
  ioctl(fd: number, request: number, argument: number | Uint8Array): number;
  fcntl(fd: number, command: number, argument: number): number;
  /** Fills in an `int[2]`: the end that reads, the end that writes. */
  pipe2(ends: Uint8Array, flags: number): void;
  /** Two `struct timespec`: last access, last change. */
  utimensat(folder: number, path: string, times: Uint8Array, flags: number): void;
  /** Fills in a `struct statx`. */
  statx(folder: number, path: string, flags: number, mask: number, into: Uint8Array): void;
  fchdir(fd: number): void;
  fsopen(type: string): number;
  /** Without a key: makes the file system of what was set. */
  fsconfig(context: number, command: number, key: string | null, value: string | null): void;
  fsmount(context: number, attributes: number): number;
  /** Attaches the mount that `from` is to a path. */
  moveMount(from: number, path: string): void;
  /** `how` is a `struct open_how`. */
  openat2(folder: number, path: string, how: Uint8Array): number;
};

/** `AT_FDCWD`. */
const CURRENT_FOLDER = -100;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
/** Those that the C library has no function for; from 424 on the numbers are the same on every architecture but alpha. */
const NUMBERS = { moveMount: 429, fsopen: 430, fsconfig: 431, fsmount: 432, openat2: 437 };
/** `FSOPEN_CLOEXEC`, `FSMOUNT_CLOEXEC`. */
const CLOSE_ON_EXEC = 1;

let loading: Promise<Libc> | undefined;

/** Loads the C library at the first call: commands that mount nothing don't wait for it. */
export function loadLibc(): Promise<Libc> {
  // The one piece of state here: a library, which is the same for all.
  loading ??= bindLibc();
  return loading;
}

async function bindLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi');
  // What this process is linked with: glibc or musl.
  const library = koffi.load(null);
  const errnoNames = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

  type Argument = string | number | Uint8Array | null;
  /** A function that returns −1 and sets errno when it fails; `name` is that of a number's system call. */
  function bind(symbol: string, types: readonly string[], name = symbol) {
    const call = library.func(symbol, symbol === 'syscall' ? 'long' : 'int', [...types]);
    return (...args: Argument[]): number => {
      const result = Number(call(...args));
      if (result !== -1) return result;
      const errno = koffi.errno();
      throw new SystemCallError(name, errnoNames.get(errno) ?? `errno ${errno}`);
    };
  }
  const bindNumber = (name: string, types: readonly string[]) => bind('syscall', ['long', ...types], name);
  const mount = bind('mount', ['str', 'str', 'str', 'ulong', 'str']);
  const umount2 = bind('umount2', ['str', 'int']);
  const flock = bind('flock', ['int', 'int']);
  const ioctlNumber = bind('ioctl', ['int', 'ulong', 'ulong']);
  const ioctlBytes = bind('ioctl', ['int', 'ulong', 'void *']);
  const fcntl = bind('fcntl', ['int', 'int', 'int']);
  const pipe2 = bind('pipe2', ['void *', 'int']);
  const utimensat = bind('utimensat', ['int', 'str', 'void *', 'int']);
  const statx = bind('statx', ['int', 'str', 'int', 'uint', 'void *']);
  const fchdir = bind('fchdir', ['int']);
  const fsopen = bindNumber('fsopen', ['str', 'uint']);
  const fsconfig = bindNumber('fsconfig', ['int', 'uint', 'str', 'str', 'int']);
  const fsmount = bindNumber('fsmount', ['int', 'uint', 'uint']);
  const moveMount = bindNumber('move_mount', ['int', 'str', 'int', 'str', 'uint']);
  const openat2 = bindNumber('openat2', ['int', 'str', 'void *', 'ulong']);

  return {
    mount: (...args) => void mount(...args),
    umount2: (...args) => void umount2(...args),
    flock: (...args) => void flock(...args),
    ioctl: (fd, request, argument) =>
      typeof argument === 'number' ? ioctlNumber(fd, request, argument) : ioctlBytes(fd, request, argument),
    fcntl,
    pipe2: (...args) => void pipe2(...args),
    utimensat: (...args) => void utimensat(...args),
    statx: (...args) => void statx(...args),
    fchdir: (fd) => void fchdir(fd),
    fsopen: (type) => fsopen(NUMBERS.fsopen, type, CLOSE_ON_EXEC),
    fsconfig: (context, command, key, value) => void fsconfig(NUMBERS.fsconfig, context, command, key, value, 0),
    fsmount: (context, attributes) => fsmount(NUMBERS.fsmount, context, CLOSE_ON_EXEC, attributes),
    moveMount: (from, path) =>
      void moveMount(NUMBERS.moveMount, from, '', CURRENT_FOLDER, path, MOVE_MOUNT_F_EMPTY_PATH),
    openat2: (folder, path, how) => openat2(NUMBERS.openat2, folder, path, how, how.byteLength),
  };
}
