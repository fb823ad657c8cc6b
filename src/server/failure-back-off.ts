import { createBoundedMap } from './bounded-map.ts';

/** When failures of one kind slow down whoever makes them. */
export type BackOffPolicy = {
  /** So many failures in a row cost nothing: people mistype. */
  readonly freeFailures: number;
  /** The wait after the next one; it doubles with each further one. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** A key that made no failure for so long is forgotten. */
  readonly forgetMs: number;
  /** The keys used last that are remembered. */
  readonly maxKeys: number;
};

/**
 * Back-off after failed logins, by any key: address and name for a log-in page, address and access key for signatures. Between
 * `failed` and the end of the wait nothing is even tried for the key.
 */
export type FailureBackOff = {
  /** Milliseconds that the key has to wait; 0: it may try. */
  waitMs(key: string, nowMs: number): number;
  failed(key: string, nowMs: number): void;
  /** Forgets the failures. */
  succeeded(key: string): void;
};

type Failures = { count: number; untilMs: number; lastMs: number };
const NONE: Failures = { count: 0, untilMs: 0, lastMs: 0 };

export function createFailureBackOff(policy: BackOffPolicy): FailureBackOff {
  const { freeFailures, baseMs, maxMs, forgetMs } = policy;
  const keys = createBoundedMap<Failures>(policy.maxKeys);
  const find = (key: string, nowMs: number): Failures => {
    const known = keys.get(key);
    return known && nowMs - known.lastMs < forgetMs ? known : NONE;
  };
  return {
    waitMs(key, nowMs) {
      // A clock that was set back must not lock anybody out for longer than the policy says.
      return Math.min(maxMs, Math.max(0, find(key, nowMs).untilMs - nowMs));
    },
    failed(key, nowMs) {
      const count = find(key, nowMs).count + 1;
      const excess = count - freeFailures;
      const delayMs = excess <= 0 ? 0 : Math.min(maxMs, baseMs * 2 ** Math.min(excess - 1, 40));
      keys.set(key, { count, untilMs: nowMs + delayMs, lastMs: nowMs });
    },
    succeeded(key) {
      // Looking first keeps a success, which is nearly every call, from making an entry.
      if (keys.get(key)) keys.set(key, NONE);
    },
  };
}

/** Whom an address belongs to, for counting: an IPv6 network of 64 bits is one customer; IPv4 may come written as IPv6. */
export function addressGroup(peer: string): string {
  const ipv4 = /^::ffff:([0-9.]+)$/i.exec(peer)?.[1];
  if (ipv4 !== undefined) return ipv4;
  if (!peer.includes(':')) return peer;
  const [head = '', tail] = peer.replace(/%.*$/, '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
