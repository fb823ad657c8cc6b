import { MultiBar, type SingleBar } from 'cli-progress';
import { formatBytes } from '../lib/format.ts';
import type { BlobProgress } from '../nodes/agent/index.ts';
import type { Io } from './io.ts';
import { plain } from './output.ts';

const REFRESH_MS = 200;
const NAME_CHARS = 12;

export type FetchView = {
  /** Where the log is written, so that its lines stand above the bars. */
  readonly logStream: { write(line: string): void };
  /** Draws what is being downloaded until the returned function is called. */
  follow(read: () => readonly BlobProgress[]): () => void;
};

/** A bar per blob that is on its way, on a terminal; elsewhere the log says enough. Both go to standard error. */
export function createFetchView(io: Io): FetchView {
  if (!io.stderr.isTTY) return { logStream: io.stderr, follow: () => () => undefined };
  const bars = new MultiBar({
    stream: io.stderr,
    format: '{name} {bar} {percentage}%  {size}',
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    // The signal is ours to handle; stopping gives the cursor back.
    gracefulExit: false,
    fps: 10,
  });
  const known = new Map<string, SingleBar>();

  function draw(blobs: readonly BlobProgress[]): void {
    const seen = new Set<string>();
    for (const { key, bytes, have } of blobs) {
      seen.add(key);
      const payload = {
        name: key.slice('sha256:'.length).slice(0, NAME_CHARS),
        size: `${formatBytes(have)} of ${formatBytes(bytes)}`,
      };
      const bar = known.get(key) ?? bars.create(bytes, have, payload);
      known.set(key, bar);
      bar.update(have, payload);
    }
    for (const [key, bar] of known) {
      if (seen.has(key)) continue;
      bars.remove(bar);
      known.delete(key);
    }
  }

  return {
    logStream: {
      write(line) {
        if (known.size > 0) bars.log(forPeople(line));
        else io.stderr.write(forPeople(line));
      },
    },
    follow(read) {
      const timer = setInterval(() => draw(read()), REFRESH_MS);
      return () => {
        clearInterval(timer);
        // What was logged since they were last drawn would go with the bars.
        if (known.size > 0) bars.update();
        bars.stop();
      };
    },
  };
}

/** pino's number for warnings. */
const WARN = 40;
/** Of every line, and of no interest on a terminal. */
const LEFT_OUT = new Set(['level', 'time', 'pid', 'hostname', 'msg']);

/** A line of the log as a person reads it: `fetching  cache=imc-… blobs=7`. */
function forPeople(line: string): string {
  const entries = Object.entries<unknown>(JSON.parse(line));
  const values = new Map(entries);
  const mark = Number(values.get('level')) >= WARN ? '! ' : '';
  const facts = entries
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${plain(`${mark}${String(values.get('msg'))}  ${facts.join(' ')}`).trimEnd()}\n`;
}
