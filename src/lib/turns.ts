import { setImmediate as afterOthers } from 'node:timers/promises';

/** About as long as it takes to answer a call of the API, or a few. */
const TURN_MS = 3;
/** A step is a few microseconds, and asking the clock as much on some machines. */
const STEPS_A_LOOK = 64;

/**
 * Work that would keep the thread for long asks at every step whether its turn is over, and then lets others go first:
 *
 *     if (turns.isOver) await turns.next();
 */
export type Turns = {
  readonly isOver: boolean;
  /** What came meanwhile is done when it resolves; the next turn has begun. */
  next(): Promise<void>;
};

export function createTurns(): Turns {
  let endMs = performance.now() + TURN_MS;
  let steps = 0;
  return {
    get isOver() {
      return ++steps % STEPS_A_LOOK === 0 && performance.now() >= endMs;
    },
    async next() {
      await afterOthers();
      endMs = performance.now() + TURN_MS;
    },
  };
}
