import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../../../src/client/index.ts';
import { startChildServer } from '../../support/child-server.ts';
import { freePort } from '../../support/free-port.ts';
import { ACCESS_KEY, REGION_ID } from '../../support/larder-server.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const POLL_MS = 20;
const CALL_TIMEOUT_MS = 20_000;

/** Every call that changes a file system or starts a program. */
const CALLS = [
  'open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,symlink,symlinkat,link,linkat,rename,renameat,renameat2',
  'unlink,unlinkat,rmdir,truncate,chmod,fchmodat,fchmodat2,chown,lchown,fchownat,utimensat,setxattr,lsetxattr,removexattr',
  'mount,umount2,chroot,pivot_root,execve,execveat',
]
  .flatMap((line) => line.split(','))
  // A question mark: not every machine, nor every strace, has the call.
  .map((call) => `?${call}`)
  .join(',');

/** What DescribeImageCaches says of a cache. */
export type CacheState = { Status: string; SnapshotId: string; Events: { Message: string }[] };

export type WatchedServer = {
  readonly dataDirectory: string;
  readonly client: Client;
  create(image: string): Promise<string>;
  settled(id: string, timeoutMs: number): Promise<CacheState>;
  /** Forgets the peak of memory so far. */
  resetPeak(): Promise<void>;
  /** The most memory of its own that it had at once since {@link resetPeak}: without the pages of files that it mapped by then. */
  peakBytes(): Promise<number>;
  /** Ends the server, and says what it did to files outside of its own folder, and what programs it started. */
  stop(): Promise<{ outside: string[]; programs: string[] }>;
  log(): string;
  [Symbol.asyncDispose](): Promise<void>;
};

/** `larder serve` under strace, with all that it may write to in one folder. */
export async function startWatchedServer(env: NodeJS.ProcessEnv): Promise<WatchedServer> {
  const home = await mkdtemp(join(tmpdir(), 'larder-watched-'));
  const dataDirectory = join(home, 'data');
  const trace = join(home, 'trace');
  await mkdir(join(home, 'tmp'));
  const endpoint = `127.0.0.1:${await freePort()}`;
  const child = await startChildServer({
    command: 'strace',
    args: [
      '-f',
      '--seccomp-bpf',
      '-qq',
      '-y',
      '-s',
      '4096',
      '-e',
      'signal=none',
      '-e',
      `trace=${CALLS}`,
      '-o',
      trace,
      process.execPath,
      MAIN,
      'serve',
      '--data',
      dataDirectory,
      '--listen',
      endpoint,
    ],
    readyUrl: `http://${endpoint}/readyz`,
    cwd: home,
    env: {
      ...process.env,
      LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
      LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
      LARDER_REGION: REGION_ID,
      LARDER_PROFILE: join(home, 'profile.json'),
      DOCKER_CONFIG: join(home, 'docker'),
      TMPDIR: join(home, 'tmp'),
      ...env,
    },
  });
  const pid = await onlyChild(child.pid);
  const client = createClient({
    ...ACCESS_KEY,
    endpoint: `http://${endpoint}`,
    regionId: REGION_ID,
    timeoutMs: CALL_TIMEOUT_MS,
  });
  let mappedBytes = 0;
  async function memory(field: 'VmHWM' | 'RssFile'): Promise<number> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  }
  let isEnded = false;
  async function end(): Promise<void> {
    if (isEnded) return;
    isEnded = true;
    // strace ends with the server; asked itself, it would leave the server behind.
    process.kill(pid, 'SIGTERM');
    for (const deadlineMs = Date.now() + CALL_TIMEOUT_MS; Date.now() < deadlineMs; await sleep(POLL_MS)) {
      try {
        process.kill(child.pid, 0);
      } catch {
        return;
      }
    }
    throw new Error(`the server did not end on SIGTERM:\n${child.log().slice(-4000)}`);
  }
  return {
    dataDirectory,
    client,
    log: () => child.log(),
    async create(image) {
      const { ImageCacheId } = await client.call('CreateImageCache', { ImageCacheName: 'hostile', Image: [image] });
      return String(ImageCacheId);
    },
    async settled(id, timeoutMs) {
      for (const deadlineMs = Date.now() + timeoutMs; ; await sleep(POLL_MS)) {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form that the API's documents promise
        const answer = (await client.call('DescribeImageCaches', { ImageCacheId: id })) as {
          ImageCaches: CacheState[];
        };
        const cache = answer.ImageCaches[0];
        if (!cache) throw new Error(`no cache ${id}`);
        if (cache.Status === 'Ready' || cache.Status === 'Failed') return cache;
        if (Date.now() > deadlineMs) throw new Error(`still ${cache.Status} after ${timeoutMs} ms`);
      }
    },
    async resetPeak() {
      // proc(5), clear_refs: 5 resets the peak of the resident set.
      await writeFile(`/proc/${pid}/clear_refs`, '5');
      mappedBytes = await memory('RssFile');
    },
    peakBytes: async () => (await memory('VmHWM')) - mappedBytes,
    async stop() {
      await end();
      return readTrace(await readFile(trace, 'utf8'), home);
    },
    async [Symbol.asyncDispose]() {
      try {
        if (!isEnded) process.kill(pid, 'SIGKILL');
      } catch {
        // It is gone already.
      }
      await child.kill();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function onlyChild(parent: number): Promise<number> {
  const children = (await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8')).trim().split(' ');
  const [pid] = children;
  if (children.length !== 1 || !pid) throw new Error(`strace has ${children.length} children`);
  return Number(pid);
}

/** Below the home of the server: its data folder, temporary files, and the profile. Beside them it has no business either. */
const OWN = /^(?:(?:data|tmp)(?:\/|$)|profile\.json(?:\.\d+\.tmp)?$)/;

/** A call that only reads, or that failed without an effect. */
const READS = /^(open|openat|openat2)\(.*O_RDONLY(?!.*O_(CREAT|TRUNC))/;
const FAILED = /= -1 E[A-Z]+ /;

/** The calls of a trace; strace cuts those in two that another thread's come between, and such as never ended are half. */
function callsOf(trace: string): string[] {
  const calls: string[] = [];
  const unfinished = new Map<string, number>();
  for (const line of trace.split('\n')) {
    const [, thread = '', call = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const rest = /^<\.\.\. \w+ resumed>(.*)$/.exec(call)?.[1];
    const started = unfinished.get(thread);
    if (rest !== undefined && started !== undefined) {
      calls[started] = `${calls[started]}${rest}`;
      unfinished.delete(thread);
      continue;
    }
    if (call.endsWith(' <unfinished ...>')) unfinished.set(thread, calls.length);
    calls.push(call.replace(/ <unfinished \.\.\.>$/, ''));
  }
  return calls;
}

/** The calls of a trace that changed something outside of what is the server's in `home`; exported to be tested. */
export function readTrace(trace: string, home: string): { outside: string[]; programs: string[] } {
  const outside: string[] = [];
  const programs = new Set<string>();
  for (const call of callsOf(trace)) {
    if (!/^[a-z0-9_]+\(/.test(call) || READS.test(call)) continue;
    if (call.startsWith('execve')) {
      programs.add(/"([^"]*)"/.exec(call)?.[1] ?? call);
      continue;
    }
    // A call that failed may be one that was tried: only what does not exist yet, or no longer, is harmless.
    if (FAILED.test(call) && !/= -1 (EPERM|EACCES|EROFS)/.test(call)) continue;
    // futimens(3): the file is one that is open.
    const open = /^utimensat\(\d+<([^>]*)>, NULL/.exec(call)?.[1];
    const paths = [...call.matchAll(/(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g)];
    const full = open
      ? [open]
      : paths.map(([, folder, path]) => (path?.startsWith('/') ? path : `${folder ?? '?'}/${path}`));
    // What a symlink says is no path that is written to; but nothing here makes symlinks at all.
    const isInside = (path: string) =>
      path.startsWith(`${home}/`) && OWN.test(path.slice(home.length + 1)) && !path.split('/').includes('..');
    if (
      full.length === 0 ||
      call.startsWith('symlink') ||
      !full.every((path) => isInside(path) || path === '/dev/null')
    )
      outside.push(call);
  }
  return { outside, programs: [...programs] };
}
