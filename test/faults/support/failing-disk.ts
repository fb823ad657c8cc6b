import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { run, toolEnvironment } from '../../support/run.ts';

const ATTACH_TIMEOUT_MS = 10_000;

/**
 * Makes system calls of a running process fail, by strace. `main`: those of its main thread, where the database is written;
 * `others`: those of the threads that write blobs. Ends when it is disposed of.
 */
export async function failCalls(
  pid: number,
  fault: { calls: string; error: string; threads: 'main' | 'others' },
): Promise<AsyncDisposable> {
  const all = await readdir(`/proc/${pid}/task`);
  const threads = fault.threads === 'main' ? [`${pid}`] : all.filter((thread) => thread !== `${pid}`);
  const inject = `inject=${fault.calls}:error=${fault.error}`;
  const args = [
    ...threads.flatMap((thread) => ['-p', thread]),
    '-e',
    `trace=${fault.calls}`,
    '-e',
    inject,
    '-o',
    '/dev/null',
  ];
  const strace = spawn('strace', args, { env: toolEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(strace, 'close');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`strace did not attach: ${said}`)), ATTACH_TIMEOUT_MS);
  let said = '';
  strace.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if ((said.match(/ attached/g) ?? []).length >= threads.length) resolve();
  });
  await promise.finally(() => clearTimeout(timer));
  return {
    async [Symbol.asyncDispose]() {
      strace.kill('SIGINT');
      await ended;
    },
  };
}

/** Takes the process every further file or connection; those it has it keeps. */
export async function failOpens(pid: number): Promise<AsyncDisposable> {
  const limit = async (soft: string) => run('prlimit', ['--pid', `${pid}`, `--nofile=${soft}:`]);
  const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
  const before = /^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? '1024';
  // The limit is for the number of the next one, and the free numbers below those that are taken are few.
  await limit('4');
  return {
    async [Symbol.asyncDispose]() {
      await limit(before);
    },
  };
}

/** Another process, as far as SQLite can tell, writes to the database and does not come to an end until it is disposed of. */
export function holdDatabase(path: string): Disposable {
  const database = new DatabaseSync(path);
  database.exec('begin immediate');
  return { [Symbol.dispose]: () => database.close() };
}

export type SmallDisk = AsyncDisposable & {
  readonly directory: string;
  /** What the kernel does when it finds the file system damaged: nobody writes any more. */
  breakDown(): Promise<void>;
  /** Checked and mounted again, after whoever used it has ended. */
  repair(): Promise<void>;
  /** Takes all space that is left; returns how to give it back. */
  fill(): Promise<() => Promise<void>>;
};

/** An ext4 file system of its own in a file. */
export async function mountSmallDisk(bytes: number): Promise<SmallDisk> {
  const home = await mkdtemp(join(tmpdir(), 'larder-disk-'));
  const [image, directory] = [join(home, 'image'), join(home, 'mount')];
  await writeFile(image, '');
  await truncate(image, bytes);
  await run('mkfs.ext4', ['-q', '-m', '0', '-E', 'lazy_itable_init=0', image]);
  await run('mkdir', [directory]);
  const mount = () => run('mount', ['-o', 'loop,errors=remount-ro', image, directory]);
  await mount();
  return {
    directory,
    async breakDown() {
      const device = (await run('findmnt', ['-n', '-o', 'SOURCE', directory])).trim().replace('/dev/', '');
      await writeFile(`/sys/fs/ext4/${device}/trigger_fs_error`, '1');
    },
    async repair() {
      await run('umount', [directory]);
      // 1: errors were there, and are corrected.
      await run('sh', ['-c', `e2fsck -fp ${image} > /dev/null || test $? = 1`]);
      await mount();
    },
    async fill() {
      const filler = join(directory, 'filler');
      await run('sh', ['-c', `dd if=/dev/zero of=${filler} bs=4k 2> /dev/null || true`]);
      return () => rm(filler);
    },
    async [Symbol.asyncDispose]() {
      await run('umount', ['-l', directory]);
      await rm(home, { recursive: true });
    },
  };
}
