import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

const TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** Waits for what happens by itself; fails with what was waited for, and what `explain` adds to it. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  explain = () => '',
): Promise<void> {
  for (const endMs = Date.now() + TIMEOUT_MS; !(await condition()); await sleep(POLL_MS)) {
    assert.ok(Date.now() < endMs, `not in time: ${what}\n${explain()}`);
  }
}
