import { readFileSync } from 'node:fs';

/** The unit of the times in /proc/PID/stat: USER_HZ, 100 on every Linux architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * CPU seconds (user and system) that a running process and its ended, waited-for children have used (proc(5): utime, stime,
 * cutime, cstime).
 */
export function processCpuSeconds(pid: number): number {
  // utime is field 14 of the line.
  const ticks = statFields(pid)
    .slice(11, 15)
    .reduce((total, field) => total + Number(field), 0);
  return ticks / TICKS_PER_SECOND;
}

/** Seconds that the kernel has worked for a running process (stime), in steps of 10 ms. */
export function processSystemSeconds(pid: number): number {
  return Number(statFields(pid)[12]) / TICKS_PER_SECOND;
}

/** From field 3 of proc(5)'s list on. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The command's name stands in parentheses and may hold anything; the fields after it are numbers.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Highest resident memory of a running process in bytes. */
export function processPeakBytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1] ?? 0) * 1024;
}

/** Resident memory of a running process that is its own now, in bytes: without mapped files. */
export function processOwnBytes(pid: number): number {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1] ?? 0) * 1024;
}
