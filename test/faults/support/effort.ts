import { randomInt } from 'node:crypto';

const HOUR_MS = 3_600_000;
const MAX_SEED = 2 ** 31;

/**
 * How long a test of faults goes on: `defaultMs`, or its share of LARDER_FAULTS_HOURS, the hours that all `parts` of a file
 * take together.
 */
export function effortMs(defaultMs: number, parts: number): number {
  const hours = Number(process.env.LARDER_FAULTS_HOURS ?? 0);
  return hours > 0 ? (hours * HOUR_MS) / parts : defaultMs;
}

/** LARDER_FAULTS_SEED, to run a failure again, else a new one; print it with the failure. */
export function faultSeed(): number {
  const given = Number(process.env.LARDER_FAULTS_SEED);
  return Number.isSafeInteger(given) && given > 0 ? given : randomInt(1, MAX_SEED);
}
