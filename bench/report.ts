import type { Measurement } from './cold-run.ts';
import type { Footprint } from './support/footprint.ts';

export type Row = { name: string; runs: readonly (Measurement & Footprint)[] };
/** The highest peak, and the median of the bytes written. */
export type Summary = { name: string; wall: Spread; cpu: Spread; peakMib: number; writtenMib: number };
type Spread = { best: number; median: number };

export function summarize({ name, runs }: Row): Summary {
  return {
    name,
    wall: spread(runs.map((one) => one.wallSeconds)),
    cpu: spread(runs.map((one) => one.cpuSeconds)),
    peakMib: Math.round(Math.max(0, ...runs.map((one) => one.peakBytes)) / 2 ** 20),
    writtenMib: Math.round(spread(runs.map((one) => one.writtenBytes)).median / 2 ** 20),
  };
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low = 0, high = 0] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return { best: sorted[0] ?? 0, median: (low + high) / 2 };
}

/** A table in Markdown; ratios are ours to the row's, best to best. */
export function table(summaries: readonly Summary[], ours: string): string {
  const own = summaries.find((one) => one.name === ours);
  const rows = summaries.map(({ name, wall, cpu, peakMib, writtenMib }) => {
    const ratio = own ? `${(own.wall.best / wall.best).toFixed(2)} / ${(own.cpu.best / cpu.best).toFixed(2)}` : '';
    return `| ${name} | ${seconds(wall)} | ${seconds(cpu)} | ${peakMib} | ${writtenMib} | ${ratio} |`;
  });
  const head = `| | wall s, best / median | CPU s, best / median | peak MiB | written MiB | ${ours} / this: wall / CPU |`;
  return [head, '|---|---|---|---|---|---|', ...rows].join('\n');
}

function seconds({ best, median }: Spread): string {
  return `${best.toFixed(2)} / ${median.toFixed(2)}`;
}
