import * as fc from 'fast-check';
import type { Policy } from '../../src/accounts/index.ts';

/** Any value that an operator takes, by the operator's name. */
export const VALUES: Readonly<Record<string, fc.Arbitrary<string>>> = {
  String: fc.string({ unit: fc.constantFrom('a', 'A', 'b', '*', '?', '.', 'ä') }),
  Numeric: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true, noDefaultInfinity: true })).map(String),
  Date: fc.integer({ min: 0, max: 4 }).map((day) => new Date(Date.UTC(2030, 0, 1 + day)).toISOString()),
  Bool: fc.constantFrom('true', 'false', 'True'),
  Ip: fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 20, max: 32 }))
    .map(([a, b, prefix]) => `10.0.${a}.${b}/${prefix}`),
};

export const OPERATORS = [
  'StringEquals',
  'StringNotEquals',
  'StringEqualsIgnoreCase',
  'StringNotEqualsIgnoreCase',
  'StringLike',
  'StringNotLike',
  'NumericEquals',
  'NumericNotEquals',
  'NumericLessThan',
  'NumericLessThanEquals',
  'NumericGreaterThan',
  'NumericGreaterThanEquals',
  'DateEquals',
  'DateNotEquals',
  'DateLessThan',
  'DateLessThanEquals',
  'DateGreaterThan',
  'DateGreaterThanEquals',
  'Bool',
  'IpAddress',
  'NotIpAddress',
] as const;

/** Values that this operator takes. */
export function valuesOf(operator: (typeof OPERATORS)[number]): fc.Arbitrary<string> {
  const kind = /^(?:Not)?(String|Numeric|Date|Bool|Ip)/.exec(operator)?.[1] ?? '';
  const values = VALUES[kind];
  if (!values) throw new Error(`no values for ${operator}`);
  return values;
}

/** Plain objects, as parsing makes them. */
const record = <T>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) => fc.record(fields, { noNullPrototype: true });

const selection = (patterns: readonly string[]) =>
  record({
    not: fc.boolean(),
    patterns: fc.array(fc.constantFrom(...patterns), { minLength: 1, maxLength: 3 }),
  });

const condition = fc.constantFrom(...OPERATORS).chain((operator) =>
  record({
    operator: fc.constant(operator),
    key: fc.constantFrom('acs:SourceIp', 'acs:CurrentTime', 'acs:UserAgent', 'eci:tag/env', 'acs:ResourceTag/Env'),
    values: fc.array(valuesOf(operator), { minLength: 1, maxLength: 3 }),
  }),
);

/** Policies that are about few actions and resources, so that requests often meet them; conditions in the order of a document. */
export function policies(): fc.Arbitrary<Policy> {
  const conditions = fc
    .uniqueArray(condition, { maxLength: 3, selector: ({ operator, key }) => `${operator} ${key}` })
    .map((list) => list.toSorted((a, b) => OPERATORS.indexOf(a.operator) - OPERATORS.indexOf(b.operator)));
  const statement = record({
    effect: fc.constantFrom('Allow' as const, 'Deny' as const),
    action: selection(['*', 'eci:*', 'ECI:Describe*', 'eci:DeleteImageCache', 'oss:Get?bject']),
    resource: selection(['*', 'acs:eci:*:*:imagecache/*', 'acs:eci:*:*:imagecache/imc-1', 'acs:oss:*']),
    conditions,
  });
  return fc.array(statement, { minLength: 1, maxLength: 4 }).map((statements) => ({ statements }));
}
