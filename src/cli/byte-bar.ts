import { SingleBar } from 'cli-progress';
import { formatBytes } from '../lib/format.ts';
import type { Io } from './io.ts';

/** Shows how many of so many bytes are done; `stop` is called once at the end. */
export type ByteBar = { show(done: number, total: number): void; stop(): void };

const LINE_INTERVAL_MS = 5000;

/** A bar on a terminal, a line now and then elsewhere; on standard error. */
export function createByteBar(io: Io, what: string): ByteBar {
  return io.stderr.isTTY ? createBar(io, what) : createLines(io, what);
}

function createBar(io: Io, what: string): ByteBar {
  const bar = new SingleBar({
    stream: io.stderr,
    format: `${what} {bar} {percentage}%  {size}`,
    barsize: 40,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    // The signal is ours to handle; stop() gives the cursor back.
    gracefulExit: false,
    fps: 10,
  });
  let isStarted = false;
  return {
    show(done, total) {
      // What came up since the total was taken is read as well.
      const shown = Math.min(done, total);
      const payload = { size: `${formatBytes(shown)} of ${formatBytes(total)}` };
      if (!isStarted) bar.start(total, 0, payload);
      isStarted = true;
      bar.update(shown, payload);
    },
    stop() {
      if (isStarted) bar.stop();
    },
  };
}

function createLines(io: Io, what: string): ByteBar {
  let lastAtMs = performance.now();
  return {
    show(done, total) {
      const nowMs = performance.now();
      if (nowMs - lastAtMs < LINE_INTERVAL_MS) return;
      lastAtMs = nowMs;
      io.stderr.write(`${what} ${formatBytes(done)} of ${formatBytes(total)}\n`);
    },
    stop() {},
  };
}
