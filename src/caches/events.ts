import { MAX_EVENTS } from './limits.ts';

/** What happened, in the order a build goes through it, and then to what it made. */
export type EventReason =
  | 'Started'
  | 'Pulling'
  | 'Pulled'
  | 'SnapshotCreating'
  | 'SnapshotCreated'
  | 'Ready'
  | 'Retrying'
  | 'FailedPull'
  | 'ExceedSize'
  | 'Failed'
  | 'Canceled'
  /** The bytes of a layer or a manifest are lost; they are rebuilt, have been, or can't be. */
  | 'Damaged'
  | 'Repaired'
  | 'RepairFailed';

export type CacheEventInput = {
  readonly type: 'Normal' | 'Warning';
  readonly reason: EventReason;
  /** For people: the cause and, where there is one, the next step. */
  readonly message: string;
  /** What it is about, such as an image reference; absent when it is the cache itself. */
  readonly object?: string;
};

/** An event as Kubernetes keeps it: the same thing happening again counts up instead of adding a line. */
export type CacheEvent = CacheEventInput & {
  /** `<cache name>.<unix time of the first occurrence in nanoseconds, 16 hex digits>`, unique within the cache. */
  readonly name: string;
  readonly count: number;
  readonly firstTimestampMs: number;
  readonly lastTimestampMs: number;
};

/**
 * The events (oldest first) with one more occurrence recorded at `nowMs`. An event with the same type, reason, message and
 * object is counted up and moves to the end; beyond MAX_EVENTS the oldest go.
 */
export function recordEvent(
  events: readonly CacheEvent[],
  input: CacheEventInput,
  cacheName: string,
  nowMs: number,
): readonly CacheEvent[] {
  const earlier = events.find((event) => isSame(event, input));
  if (earlier === undefined) return [...events, firstOccurrence(events, input, cacheName, nowMs)].slice(-MAX_EVENTS);
  const again = {
    ...earlier,
    count: earlier.count + 1,
    // The clock may have been set back since.
    lastTimestampMs: Math.max(earlier.lastTimestampMs, nowMs),
  };
  return [...events.filter((event) => event !== earlier), again];
}

/** {@link recordEvent} for several, in their order. */
export function recordEvents(
  events: readonly CacheEvent[],
  inputs: readonly CacheEventInput[],
  cacheName: string,
  nowMs: number,
): readonly CacheEvent[] {
  return inputs.reduce((recorded, input) => recordEvent(recorded, input, cacheName, nowMs), events);
}

function isSame(event: CacheEventInput, input: CacheEventInput): boolean {
  return (
    event.type === input.type &&
    event.reason === input.reason &&
    event.message === input.message &&
    event.object === input.object
  );
}

function firstOccurrence(
  events: readonly CacheEvent[],
  input: CacheEventInput,
  cacheName: string,
  nowMs: number,
): CacheEvent {
  const names = new Set(events.map((event) => event.name));
  let nanoseconds = BigInt(nowMs) * 1_000_000n;
  while (names.has(eventName(cacheName, nanoseconds))) nanoseconds++;
  return {
    ...input,
    name: eventName(cacheName, nanoseconds),
    count: 1,
    firstTimestampMs: nowMs,
    lastTimestampMs: nowMs,
  };
}

function eventName(cacheName: string, nanoseconds: bigint): string {
  return `${cacheName}.${nanoseconds.toString(16).padStart(16, '0')}`;
}
