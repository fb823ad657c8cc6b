import { setTimeout as sleep } from 'node:timers/promises';

export type RetryPolicy = {
  /** How often the task is run in all, the first time included. */
  attempts: number;
  /** The first wait; it doubles each time. */
  baseDelayMs: number;
  maxDelayMs: number;
};

export type RetryVerdict = { retry: false } | { retry: true; delayMs?: number };

/**
 * Runs the task until it succeeds, `judge` calls its error final, or the attempts are used up; then the last error is thrown.
 * A delay given by `judge` (a server's Retry-After) replaces the backoff, capped by `maxDelayMs`.
 */
export async function withRetry<T>(
  task: (attempt: number) => Promise<T>,
  options: { policy: RetryPolicy; judge: (error: unknown) => RetryVerdict; signal?: AbortSignal },
): Promise<T> {
  const { policy, judge, signal } = options;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await task(attempt);
    } catch (error) {
      const verdict: RetryVerdict = attempt < policy.attempts ? judge(error) : { retry: false };
      if (!verdict.retry || signal?.aborted) throw error;
      const backoffMs = policy.baseDelayMs * 2 ** (attempt - 1);
      await sleep(Math.min(verdict.delayMs ?? backoffMs, policy.maxDelayMs), undefined, signal ? { signal } : {});
    }
  }
}
