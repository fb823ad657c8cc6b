import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Compilable } from 'kysely';
import { createRowReader, translated } from './sqlite-dialect.ts';

/** Shapes of queries that are kept; there are a few dozen, but lists of every length make more. */
const MAX_COMPILED = 200;
const MARK = '\0';

type Leaf = string | number;
/** Plain data: its leaves become parameters of the query, its shape decides the text. */
export type Template = Leaf | undefined | readonly Template[] | { readonly [name: string]: Template };

/**
 * Reads what is committed, by queries whose text depends only on the shape of their input and that are compiled once a shape:
 * for small queries compiling costs several times what the database takes (bench/api.ts).
 */
export type Prepared = <Input extends Template, Row>(
  name: string,
  input: Input,
  build: (input: Input) => Compilable<Row>,
) => Row[];

/** Of each parameter of the statement its place among the leaves, or the constant that it is. */
type Query = {
  readonly read: ReturnType<typeof createRowReader>;
  readonly parameters: readonly (number | { constant: unknown })[];
};

/**
 * `reader` is a connection for nothing else: a read waits for no transaction under way, sees nothing of it, and needs neither
 * Kysely's lock nor its promises, which took as long as finding a cache by id (bench/api.ts).
 *
 * `build` must hand every leaf of its input to the query as it is, as a parameter; it sees marks in their place.
 */
export function createPrepared(reader: DatabaseSync): Prepared {
  const queries = new Map<string, Query>();

  function compile<Input extends Template>(input: Input, build: (input: Input) => Compilable): Query {
    // The marks stand where strings and numbers will; a query doesn't look at what it is given.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const { sql, parameters } = build(marked(input, { count: 0 }) as Input).compile();
    return {
      read: createRowReader(reader.prepare(sql)),
      parameters: parameters.map((one) => (isMark(one) ? Number(one.slice(MARK.length)) : { constant: one })),
    };
  }

  return <Input extends Template, Row>(name: string, input: Input, build: (input: Input) => Compilable<Row>): Row[] =>
    translated(() => {
      const leaves: Leaf[] = [];
      const key = name + takeLeaves(input, leaves);
      let query = queries.get(key);
      if (query === undefined) {
        query = compile(input, build);
        if (queries.size >= MAX_COMPILED) queries.clear();
        queries.set(key, query);
      }
      // Parameters of a query that SQLite took once, and rows of the columns that it selects.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const values = query.parameters.map((one) =>
        typeof one === 'number' ? leaves[one] : one.constant,
      ) as SQLInputValue[];
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return query.read(values) as Row[];
    });
}

/** The shape of the input as text; its leaves go into `leaves`, in the order in which they are marked. */
function takeLeaves(input: Template, leaves: Leaf[]): string {
  if (input === undefined) return '';
  if (typeof input !== 'object') {
    leaves.push(input);
    return '?';
  }
  let shape = '(';
  if (isList(input)) for (const item of input) shape += `${takeLeaves(item, leaves)},`;
  else for (const name of Object.keys(input)) shape += `${name}${takeLeaves(input[name], leaves)},`;
  return `${shape})`;
}

/** The input with a mark in place of each leaf; what is undefined stays. */
function marked(input: Template, taken: { count: number }): Template {
  if (input === undefined) return undefined;
  if (typeof input !== 'object') return `${MARK}${taken.count++}`;
  if (isList(input)) return input.map((item) => marked(item, taken));
  return Object.fromEntries(Object.entries(input).map(([name, item]) => [name, marked(item, taken)]));
}

function isList(value: object): value is readonly Template[] {
  return Array.isArray(value);
}

function isMark(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(MARK);
}
