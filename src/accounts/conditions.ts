import { ipInRange, parseIpRange } from './ip-range.ts';
import { matchesWildcard } from './wildcard.ts';

/** One line of a statement's Condition: an operator, a key, and the values of which one must match. */
export type Condition = {
  readonly operator: ConditionOperator;
  readonly key: string;
  readonly values: readonly string[];
};

type Comparison = {
  /** Undefined when the value of a policy is none for this comparison. */
  prepare(value: string): ((actual: string) => boolean) | undefined;
  /** For error messages. */
  takes: string;
};

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;

const textual = (matches: (actual: string, value: string) => boolean): Comparison => {
  return { takes: 'a text', prepare: (value) => (actual) => matches(actual, value) };
};
const measured = (
  measure: (value: string) => number,
  takes: string,
  matches: (actual: number, value: number) => boolean,
): Comparison => {
  return {
    takes,
    prepare(written) {
      const value = measure(written);
      // Comparing with NaN, for what is no number or date, is always false.
      return Number.isNaN(value) ? undefined : (actual) => matches(measure(actual), value);
    },
  };
};
const numeric = (matches: (actual: number, value: number) => boolean) => measured(numberOf, 'a number', matches);
const date = (matches: (actual: number, value: number) => boolean) => {
  return measured(dateOf, 'a date as of ISO 8601, 2030-01-31T08:00:00Z', matches);
};

const COMPARISONS = {
  StringEquals: textual((actual, value) => actual === value),
  StringEqualsIgnoreCase: textual(sameIgnoringCase),
  StringLike: textual((actual, value) => matchesWildcard(value, actual)),
  NumericEquals: numeric((actual, value) => actual === value),
  NumericLessThan: numeric((actual, value) => actual < value),
  NumericLessThanEquals: numeric((actual, value) => actual <= value),
  NumericGreaterThan: numeric((actual, value) => actual > value),
  NumericGreaterThanEquals: numeric((actual, value) => actual >= value),
  DateEquals: date((actual, value) => actual === value),
  DateLessThan: date((actual, value) => actual < value),
  DateLessThanEquals: date((actual, value) => actual <= value),
  DateGreaterThan: date((actual, value) => actual > value),
  DateGreaterThanEquals: date((actual, value) => actual >= value),
  Bool: {
    takes: 'true or false',
    prepare: (value) => (/^(true|false)$/i.test(value) ? (actual) => sameIgnoringCase(actual, value) : undefined),
  },
  IpAddress: {
    takes: 'an address or a block of addresses, 10.0.0.0/8',
    prepare(value) {
      const range = parseIpRange(value);
      return range && ((actual) => ipInRange(range, actual));
    },
  },
} as const satisfies Readonly<Record<string, Comparison>>;

type PositiveOperator = keyof typeof COMPARISONS;

/** Each holds exactly when the operator that it names does not. */
const NEGATIONS = {
  StringNotEquals: 'StringEquals',
  StringNotEqualsIgnoreCase: 'StringEqualsIgnoreCase',
  StringNotLike: 'StringLike',
  NumericNotEquals: 'NumericEquals',
  DateNotEquals: 'DateEquals',
  NotIpAddress: 'IpAddress',
} as const satisfies Readonly<Record<string, PositiveOperator>>;

type NegativeOperator = keyof typeof NEGATIONS;
export type ConditionOperator = PositiveOperator | NegativeOperator;

const isPositive = (name: string): name is PositiveOperator => Object.hasOwn(COMPARISONS, name);
const isNegative = (name: string): name is NegativeOperator => Object.hasOwn(NEGATIONS, name);

export function isConditionOperator(name: string): name is ConditionOperator {
  return isPositive(name) || isNegative(name);
}

/**
 * The condition as a function of the key's value in a request. A key that the request doesn't have matches no value: then
 * the positive operators don't hold, and the negative ones do. Throws a TypeError for values that the operator doesn't take.
 */
export function prepareCondition({ operator, values }: Condition): (actual: string | undefined) => boolean {
  const comparison: Comparison = COMPARISONS[isNegative(operator) ? NEGATIONS[operator] : operator];
  const matchers = values.map((value) => {
    const matcher = comparison.prepare(value);
    if (!matcher) throw new TypeError(`${operator} takes ${comparison.takes}, not ${JSON.stringify(value)}`);
    return matcher;
  });
  const matches = (actual: string | undefined) => actual !== undefined && matchers.some((matcher) => matcher(actual));
  return isNegative(operator) ? (actual) => !matches(actual) : matches;
}

function numberOf(text: string): number {
  return NUMBER.test(text) ? Number(text) : Number.NaN;
}

/** Milliseconds since 1970; a date alone is its midnight, UTC. */
function dateOf(text: string): number {
  return DATE.test(text) ? Date.parse(text) : Number.NaN;
}

function sameIgnoringCase(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
