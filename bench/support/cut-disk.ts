import { mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadLibc } from '../../src/lib/libc.ts';
import { run } from '../../test/support/run.ts';

const DISK_BYTES = 2 ** 30;
/** `FS_IOC_SHUTDOWN` (include/uapi/linux/fs.h), by which xfstests cut power: from now on nothing reaches the device. */
const FS_IOC_SHUTDOWN = 0x8004587d;
/** Not even what is in the journal's memory. */
const FLAGS_NOLOGFLUSH = 2;

/** An ext4 file system of its own, with the defaults of the distribution, whose power can be cut. */
export type CutDisk = AsyncDisposable & {
  readonly directory: string;
  /** Loses what was not yet written, and mounts what is left; whoever used it must have ended. */
  cutPower(): Promise<void>;
};

export async function mountCutDisk(): Promise<CutDisk> {
  const home = await mkdtemp(join(tmpdir(), 'larder-cut-'));
  const [image, directory] = [join(home, 'image'), join(home, 'mount')];
  await writeFile(image, '');
  await truncate(image, DISK_BYTES);
  await run('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  await mkdir(directory);
  const mount = () => run('mount', ['-o', 'loop', image, directory]);
  await mount();
  return {
    directory,
    async cutPower() {
      const libc = await loadLibc();
      const folder = await open(directory);
      try {
        const flags = Buffer.alloc(4);
        flags.writeUInt32LE(FLAGS_NOLOGFLUSH);
        libc.ioctl(folder.fd, FS_IOC_SHUTDOWN, flags);
      } finally {
        await folder.close();
      }
      // What a program mounted in there goes, too.
      await run('umount', ['--recursive', directory]);
      await mount();
    },
    async [Symbol.asyncDispose]() {
      await run('umount', ['--recursive', directory]);
      await rm(home, { recursive: true });
    },
  };
}
