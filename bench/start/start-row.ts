import { quantile } from '../goals/goal.ts';

/** Measured times in ms, in their order. */
export type Times = readonly number[];

export type Spread = { readonly best: number; readonly median: number; readonly p99: number; readonly runs: number };

/** One line of the table. */
export type StartRow = {
  readonly what: string;
  readonly ours: Spread;
  /** Whom it is measured against; none where the goal is a figure. */
  readonly peer?: { readonly name: string; readonly times: Spread };
  /** In words. */
  readonly goal: string;
  readonly met?: boolean;
  /** What else was found. */
  readonly note?: string;
};

export function spreadOf(times: Times): Spread {
  return {
    best: Math.min(...times),
    median: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    runs: times.length,
  };
}

/** Runs of one round vary by this much on a quiet machine; what is nearer than that counts as equal. */
export const NOISE = 1.03;

/** A row whose goal is a ratio to the peer, by the medians. */
export function compare(row: {
  what: string;
  ours: Times;
  peer: { name: string; times: Times };
  /** Empty where there is none. */
  goal: string;
  /** Ours to the peer's, at most; noise is allowed for by the caller. */
  maxRatio: number;
  note?: string | undefined;
}): StartRow {
  const [ours, times] = [spreadOf(row.ours), spreadOf(row.peer.times)];
  return {
    what: row.what,
    ours,
    peer: { name: row.peer.name, times },
    goal: row.goal,
    met: ours.median <= times.median * row.maxRatio,
    ...(row.note === undefined ? {} : { note: row.note }),
  };
}
