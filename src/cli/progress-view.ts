import { MultiBar, type SingleBar } from 'cli-progress';
import { formatBytes } from '../lib/format.ts';
import type { BuildProgress } from './answers.ts';
import type { Io } from './io.ts';

/** Shows a build under way; `stop` is called once at its end, however it ends. */
export type ProgressView = { show(progress: BuildProgress): void; stop(): void };

const NAME_WIDTH = 32;

/** Bars on a terminal, a line now and then elsewhere. Progress is for people: it goes to standard error. */
export function createProgressView(io: Io): ProgressView {
  return io.stderr.isTTY ? createBars(io) : createLines(io);
}

/** One bar per layer, in bytes. */
function createBars(io: Io): ProgressView {
  const bars = new MultiBar({
    stream: io.stderr,
    format: `{name} {bar} {percentage}%  {size}  {state}`,
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    // The signal is ours to handle; stop() gives the cursor back.
    gracefulExit: false,
    fps: 10,
  });
  const known = new Map<string, SingleBar>();
  return {
    show({ Status, Layers }) {
      // The server forgets the bytes with the end of the build; a cache that is Ready has them all.
      if (Status === 'Ready') for (const bar of known.values()) bar.update(bar.getTotal(), { state: 'done' });
      for (const layer of Layers) {
        const key = `${layer.ImageIndex}/${layer.LayerIndex}`;
        const size = `${formatBytes(layer.DownloadedBytes)} of ${formatBytes(layer.TotalBytes)}`;
        const payload = { name: layerName(layer), size, state: layer.State };
        const bar = known.get(key) ?? bars.create(layer.TotalBytes, 0, payload);
        known.set(key, bar);
        bar.setTotal(layer.TotalBytes);
        bar.update(layer.DownloadedBytes, payload);
      }
    },
    stop() {
      bars.stop();
    },
  };
}

/** The server sends at most a few messages a second; a line is written when what it would say is new, at most each second. */
function createLines(io: Io): ProgressView {
  const INTERVAL_MS = 1000;
  let lastText = '';
  let lastAtMs = 0;
  return {
    show(progress) {
      const text = summarise(progress);
      const nowMs = performance.now();
      if (text === lastText || (lastText !== '' && nowMs - lastAtMs < INTERVAL_MS)) return;
      io.stderr.write(`${text}\n`);
      lastText = text;
      lastAtMs = nowMs;
    },
    stop() {},
  };
}

/** `Creating 42%, layers 3 of 7, 120.1 MB of 427.1 MB`. */
export function summarise({ Status, Progress, Layers }: BuildProgress): string {
  if (Layers.length === 0) return `${Status} ${Progress}`;
  const done = Layers.filter((layer) => layer.State === 'done').length;
  const downloaded = formatBytes(Layers.reduce((sum, layer) => sum + layer.DownloadedBytes, 0));
  const total = formatBytes(Layers.reduce((sum, layer) => sum + layer.TotalBytes, 0));
  return `${Status} ${Progress}, layers ${done} of ${Layers.length}, ${downloaded} of ${total}`;
}

function layerName(layer: BuildProgress['Layers'][number]): string {
  const place = ` ${layer.LayerIndex + 1}`;
  const image = layer.Image.slice(-(NAME_WIDTH - place.length));
  return `${image}${place}`.padEnd(NAME_WIDTH);
}
