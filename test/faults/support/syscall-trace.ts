import { createReadStream } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { DiskOperation, Target } from './disk-operations.ts';

/** Every call that changes a file system or puts a change on stable storage; what libuv and SQLite do not use is refused. */
export const TRACED_CALLS = [
  'openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate',
  'rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir',
  'fsync,fdatasync,sync_file_range,msync,utimensat,copy_file_range,sendfile,splice,io_uring_enter',
].join(',');

/** SQLite makes the first anew after a crash; the second has no content. */
const LEFT_OUT = /-shm$|\/server\.lock$/;
/**
 * Reads what `strace -f -y -xx -e trace=…` wrote, as operations on the folder `root`; lines that the process wrote to the
 * file `marks` become marks. Throws at what it doesn't understand, rather than leave out a change.
 */
export async function readTrace(
  trace: string,
  { root, marks }: { root: string; marks: string },
): Promise<DiskOperation[]> {
  const reader = createReader(root, marks);
  const unfinished = new Map<string, { text: string; began: number }>();
  const [rootHex, marksHex] = [hexed(root), hexed(marks)];
  for await (const line of createInterface({ input: createReadStream(trace, 'latin1') })) {
    const [, thread = '', called = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const started = /^(.*) <unfinished \.\.\.>$/.exec(called)?.[1];
    if (started !== undefined) {
      unfinished.set(thread, { text: started, began: reader.operations.length });
      continue;
    }
    const rest = /^<\.\.\. \w+ resumed>(.*)$/.exec(called)?.[1];
    const earlier = rest === undefined ? undefined : unfinished.get(thread);
    // strace aligns the results of short lines.
    const call = (earlier ? earlier.text + (rest ?? '') : called).replace(/\) +(= [^=]*)$/, ') $1');
    if (!call.includes(rootHex) && !call.includes(marksHex)) continue;
    reader.read(call, earlier?.began ?? reader.operations.length);
  }
  return reader.operations;
}

function createReader(root: string, marks: string) {
  const operations: DiskOperation[] = [];
  /** What is where now. */
  const files = new Map<string, { inode: number; size: number }>();
  let inodes = 0;
  const isOurs = (path: string) => (path === root || path.startsWith(`${root}/`)) && !LEFT_OUT.test(path);
  const place = (path: string) => ({ folder: dirname(path), name: basename(path) });
  const targetOf = (path: string): Target => files.get(path)?.inode ?? path;

  function write(path: string, position: number | undefined, bytes: Buffer): void {
    if (path === marks) {
      operations.push({ kind: 'mark', text: bytes.toString() });
      return;
    }
    const file = files.get(path);
    if (!file) throw new Error(`a write to ${path}, which nobody opened`);
    // Whoever gives no position here writes one after the other.
    const at = position ?? file.size;
    operations.push({ kind: 'write', inode: file.inode, position: at, bytes });
    file.size = Math.max(file.size, at + bytes.length);
  }

  function open(path: string, flags: string): void {
    const file = files.get(path);
    if (file === undefined && flags.includes('O_CREAT')) {
      const made = { inode: ++inodes, size: 0 };
      files.set(path, made);
      operations.push({ kind: 'link', ...place(path), target: made.inode });
    } else if (file !== undefined && flags.includes('O_TRUNC') && file.size > 0) {
      file.size = 0;
      operations.push({ kind: 'truncate', inode: file.inode, size: 0 });
    }
  }

  function rename(from: string, to: string): void {
    operations.push({ kind: 'rename', from: place(from), ...place(to), target: targetOf(from) });
    const file = files.get(from);
    if (!file) throw new Error(`${from} is renamed, and no file that was made here`);
    files.delete(from);
    files.set(to, file);
  }

  function cut(path: string, size: number): void {
    const file = files.get(path);
    if (!file) throw new Error(`${path} is cut, and nobody opened it`);
    file.size = size;
    operations.push({ kind: 'truncate', inode: file.inode, size });
  }

  function touch(path: string, times: string): void {
    const file = files.get(path);
    const isEpoch = times.includes(', {tv_sec=0, tv_nsec=0}]');
    if (file) operations.push({ kind: 'touch', inode: file.inode, isEpoch });
  }

  function unlink(path: string): void {
    files.delete(path);
    operations.push({ kind: 'unlink', ...place(path) });
  }

  /** What a call looks like; which of its fields is the path that it is about, and what it does to it. */
  const calls: readonly [RegExp, (fields: string[], path: string, began: number) => void][] = [
    [/^open(?:at)?\(@"([^"]*)", ([A-Z_|]+)(?:, \d+)?\) = \d/, ([, flags = ''], path) => open(path, flags)],
    [
      /^pwrite64\(\d+<([^>]*)>, "([^"]*)", \d+, (\d+)\) = (\d+)/,
      ([, data = '', at, count], path) => write(path, Number(at), bytesOf(data).subarray(0, Number(count))),
    ],
    [
      /^write\(\d+<([^>]*)>, "([^"]*)", \d+\) = (\d+)/,
      ([, data = '', count], path) => write(path, undefined, bytesOf(data).subarray(0, Number(count))),
    ],
    [
      /^pwritev2?\(\d+<([^>]*)>, \[(.*)\], \d+, (\d+)(?:, 0)?\) = (\d+)/,
      ([, data = '', at, count], path) => write(path, Number(at), joined(data).subarray(0, Number(count))),
    ],
    [
      /^writev\(\d+<([^>]*)>, \[(.*)\], \d+\) = (\d+)/,
      ([, data = '', count], path) => write(path, undefined, joined(data).subarray(0, Number(count))),
    ],
    [/^ftruncate\(\d+<([^>]*)>, (\d+)\) = 0/, ([, size], path) => cut(path, Number(size))],
    [
      /^f(?:data)?sync\(\d+<([^>]*)>\) = 0/,
      (_, path, began) => operations.push({ kind: 'sync', target: targetOf(path), began }),
    ],
    [/^rename(?:at2?)?\(@"([^"]*)", @?"([^"]*)"(?:, \w+)?\) = 0/, ([, to = ''], path) => rename(path, text(to))],
    [/^unlink(?:at)?\(@"([^"]*)"(?:, \w+)?\) = 0/, (_, path) => unlink(path)],
    [
      /^mkdir(?:at)?\(@"([^"]*)", \d+\) = 0/,
      (_, path) => operations.push({ kind: 'link', ...place(path), target: path }),
    ],
    [/^utimensat\(\d+<([^>]*)>, (?:NULL, )?(.*)\) = 0/, ([, times = ''], path) => touch(path, times)],
    [/^utimensat\(@"([^"]*)", (.*)\) = 0/, ([, times = ''], path) => touch(path, times)],
  ];

  function read(call: string, began: number): void {
    // Failed, the last call of a process, or on a file that has no name any more.
    if (/ = (?:-\d|\?).*$/.test(call.slice(-200)) || call.slice(0, call.indexOf(',') + 1).includes('>(deleted)'))
      return;
    if (call.includes('"...')) throw new Error('strace cut a text short');
    const plain = call.replaceAll(/AT_FDCWD(?:<[^>]*>)?, /g, '@').replace(/^(\w+\()"/, '$1@"');
    for (const [pattern, then] of calls) {
      const fields = pattern.exec(plain)?.slice(1);
      if (!fields) continue;
      const path = text(fields[0] ?? '');
      if (isOurs(path) || path === marks) then(fields, path, began);
      return;
    }
    throw new Error(`not understood: ${call.slice(0, 300)}`);
  }

  return { operations, read };
}

function hexed(value: string): string {
  return [...Buffer.from(value)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

function bytesOf(data: string): Buffer {
  return Buffer.from(data.replaceAll('\\x', ''), 'hex');
}

function text(data: string): string {
  return bytesOf(data).toString();
}

/** `{iov_base="…", iov_len=3}, …` */
function joined(vectors: string): Buffer {
  const parts = [...vectors.matchAll(/iov_base="([^"]*)"/g)];
  return Buffer.concat(parts.map(([, data = '']) => bytesOf(data)));
}
