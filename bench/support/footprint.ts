import { readdirSync, readFileSync, statSync } from 'node:fs';

const POLL_MS = 40;
const PAGE_BYTES = 4096;
/** The unit of /proc/diskstats (Documentation/admin-guide/iostats.rst). */
const SECTOR_BYTES = 512;

/** `peakBytes`: the highest sum of the resident memory of all processes at one moment. `writtenBytes`: what the disk got. */
export type Footprint = { readonly peakBytes: number; readonly writtenBytes: number };

/**
 * What an action takes beside time: all that this process starts meanwhile, but for `bystanders`, counts for memory, and all
 * that reaches the disk below `folder` for bytes written. The action has to end with its data on the disk.
 */
export async function withFootprint<T extends object>(
  { folder, bystanders }: { folder: string; bystanders: readonly number[] },
  action: () => Promise<T>,
): Promise<T & Footprint> {
  let peakBytes = 0;
  const look = () => {
    peakBytes = Math.max(peakBytes, residentBytes(process.pid, new Set(bystanders)));
  };
  const timer = setInterval(look, POLL_MS);
  const before = diskBytesWritten(folder);
  try {
    const result = await action();
    return { ...result, peakBytes, writtenBytes: diskBytesWritten(folder) - before };
  } finally {
    clearInterval(timer);
  }
}

/** Of all processes below a process, without itself. */
function residentBytes(root: number, bystanders: ReadonlySet<number>): number {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  let bytes = 0;
  const pending = [root];
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (bystanders.has(child)) continue;
      pending.push(child);
      bytes += Number(read(`/proc/${child}/statm`).split(' ')[1] ?? 0) * PAGE_BYTES;
    }
  }
  return bytes;
}

/** By the whole disk on which a folder lies; 0 where it is no disk of /proc/diskstats. */
function diskBytesWritten(folder: string): number {
  const { dev } = statSync(folder);
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
  const line = read('/proc/diskstats')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find((fields) => Number(fields[0]) === major && Number(fields[1]) === minor);
  return Number(line?.[9] ?? 0) * SECTOR_BYTES;
}

/** Empty when the process has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
