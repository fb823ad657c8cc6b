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
  const residentBytes = createResidentBytes(process.pid, new Set(bystanders));
  const look = () => {
    peakBytes = Math.max(peakBytes, residentBytes());
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

/**
 * Adds up what all processes below a process hold, without itself. The parent of a process is looked up once: reading those of
 * all took a tenth of both processors from what was measured.
 */
function createResidentBytes(root: number, bystanders: ReadonlySet<number>): () => number {
  const parents = new Map<number, number>();

  function isBelow(pid: number): boolean {
    for (let at = pid; ; ) {
      if (bystanders.has(at)) return false;
      const parent = parents.get(at);
      if (parent === undefined || parent === root) return parent === root;
      at = parent;
    }
  }

  return () => {
    const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
    for (const pid of pids) if (!parents.has(pid)) parents.set(pid, parentOf(pid));
    const pages = pids.filter(isBelow).map((pid) => Number(read(`/proc/${pid}/statm`).split(' ')[1] ?? 0));
    return pages.reduce((sum, each) => sum + each, 0) * PAGE_BYTES;
  };
}

function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
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
