import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pick } from '../../support/random.ts';
import { checkFolder } from './check-folder.ts';
import { CRASH_MODES, type CrashMode, DiskModel, type DiskState, type Random } from './disk-model.ts';
import { fastTemporaryFolder } from './fast-folder.ts';
import { promisesAfter } from './promises.ts';
import { marksBefore, type Recording } from './record.ts';

const FILE_MODE = 0o600;

export type CrashPoint = { index: number; mode: CrashMode };
export type Wrong = CrashPoint & { problems: string[]; near: string };
export type ReplayResult = { points: number; distinct: number; wrong: Wrong[] };

/** Every moment, with each of these ways to crash. */
export function everyPoint(length: number, modes: readonly CrashMode[]): CrashPoint[] {
  return Array.from({ length: length + 1 }, (_, index) => modes.map((mode) => ({ index, mode }))).flat();
}

/** Random points, in order. */
export function choosePoints(
  length: number,
  options: { count: number; random: Random; modes?: readonly CrashMode[] },
): CrashPoint[] {
  const { count, random, modes = CRASH_MODES } = options;
  return Array.from({ length: count }, () => ({
    index: Math.floor(random() * (length + 1)),
    mode: pick(modes, random),
  })).toSorted((a, b) => a.index - b.index);
}

/** What was recorded, and what is wrong with a folder that a crash left after so many operations. */
export type Replayed = Pick<Recording, 'root' | 'operations'> & {
  check: (directory: string, index: number) => Promise<string[]>;
};

/** Crashes of the server at the points, each checked by a start. */
export function replay(
  recording: Recording,
  points: readonly CrashPoint[],
  options: Parameters<typeof replayWith>[2],
): Promise<ReplayResult> {
  const { operations, images } = recording;
  const check = (directory: string, index: number) =>
    checkFolder(directory, promisesAfter(marksBefore(operations, index)), images);
  return replayWith({ ...recording, check }, points, options);
}

/** Crashes at the points, which are in order, and checks what each leaves; equal states are checked once. */
export async function replayWith(
  recording: Replayed,
  points: readonly CrashPoint[],
  options: { random: Random; seen: Set<string>; endMs?: number },
): Promise<ReplayResult> {
  const { random, seen, endMs = Number.POSITIVE_INFINITY } = options;
  const { operations, root } = recording;
  const model = new DiskModel(root);
  const result: ReplayResult = { points: 0, distinct: 0, wrong: [] };
  const home = await mkdtemp(join(fastTemporaryFolder(), 'larder-replay-'));
  let done = 0;
  const running = new Set<Promise<void>>();

  async function check(point: CrashPoint, directory: string): Promise<void> {
    const problems = await recording
      .check(directory, point.index)
      .catch((error: unknown) => [
        `does not start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      ]);
    if (problems.length > 0) result.wrong.push({ ...point, problems, near: describe(recording, point.index) });
    if (problems.length === 0 || process.env.LARDER_FAULTS_KEEP === undefined)
      await rm(directory, { recursive: true, force: true });
  }

  try {
    for (const point of points) {
      if (performance.now() > endMs) break;
      for (const operation of operations.slice(done, point.index)) model.apply(operation);
      done = point.index;
      const state = model.crash(point.mode, random);
      result.points++;
      const key = fingerprint(state);
      if (seen.has(key)) continue;
      seen.add(key);
      result.distinct++;
      const directory = join(home, `${result.points}`);
      await write(state, directory);
      const run = check(point, directory).finally(() => running.delete(run));
      running.add(run);
      if (running.size >= availableParallelism()) await Promise.race(running);
    }
    await Promise.all(running);
    return result;
  } finally {
    if (process.env.LARDER_FAULTS_KEEP === undefined) await rm(home, { recursive: true, force: true });
  }
}

/** Equal for states that no start could tell apart. */
function fingerprint({ folders, files }: DiskState): string {
  const hash = createHash('sha1').update(folders.toSorted().join('\n'));
  for (const [path, { bytes, isEpoch }] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`\n${path} ${bytes.length} ${isEpoch}\n`).update(bytes);
  }
  return hash.digest('base64');
}

async function write({ folders, files }: DiskState, directory: string): Promise<void> {
  await mkdir(directory);
  for (const folder of folders) await mkdir(join(directory, folder));
  for (const [path, { bytes, isEpoch }] of files) {
    const file = join(directory, path);
    await writeFile(file, bytes, { mode: FILE_MODE });
    if (isEpoch) await utimes(file, 0, 0);
  }
}

/** The last operations before a crash, for whoever looks into it. */
function describe({ operations, root }: Replayed, index: number): string {
  const last = operations.slice(Math.max(0, index - 5), index);
  return last
    .map((operation) => {
      if (operation.kind === 'write')
        return `write ${operation.inode} +${operation.position} ${operation.bytes.length}`;
      return JSON.stringify(operation).replaceAll(root, '');
    })
    .join('; ');
}
