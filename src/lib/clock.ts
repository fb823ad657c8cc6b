/** Time as a parameter: milliseconds since 1970, UTC. */
export type Clock = { now(): number };

export const systemClock: Clock = { now: () => Date.now() };

/** RFC 3339 in UTC with whole seconds, `2021-02-09T02:24:07Z`: the form of every time in the ECI API. */
export function formatTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}
