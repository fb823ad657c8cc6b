/**
 * How often this machine takes a processor away: a loop on one core that only looks at the clock, and sees gaps.
 *
 *   taskset -c 0 node bench/stalls.ts [SECONDS]
 *
 * No server's p99 is better than what such gaps leave of it.
 */
const GAP_MS = 1;
const seconds = Number(process.argv[2] ?? 10);

const startMs = performance.now();
const gaps: number[] = [];
for (let lastMs = startMs; lastMs - startMs < seconds * 1_000; ) {
  const nowMs = performance.now();
  if (nowMs - lastMs > GAP_MS) gaps.push(nowMs - lastMs);
  lastMs = nowMs;
}
const sum = gaps.reduce((all, gap) => all + gap, 0);
console.log(
  `${(gaps.length / seconds).toFixed(1)} gaps of more than ${GAP_MS} ms a second, ${(sum / Math.max(1, gaps.length)).toFixed(1)} ms each, the longest ${Math.max(0, ...gaps).toFixed(1)} ms`,
);
