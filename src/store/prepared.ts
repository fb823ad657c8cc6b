import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import type { Schema } from './schema.ts';

/** Shapes of queries that are kept; there are a few dozen, but lists of every length make more. */
const MAX_COMPILED = 200;
const MARK = '\0';

type Leaf = string | number | undefined;
/** Plain data: its leaves become parameters of the query, its shape decides the text. */
export type Template = Leaf | readonly Template[] | { readonly [name: string]: Template };

/**
 * Runs queries whose text depends only on the shape of their input, compiled once a shape: for small queries compiling costs
 * several times what the database takes (bench/api.ts).
 */
export type Prepared = <Input extends Template, Row>(
  name: string,
  input: Input,
  build: (input: Input) => Compilable<Row>,
) => Promise<Row[]>;

/** `build` must hand every leaf of its input to the query as it is, as a parameter; it sees marks in their place. */
export function createPrepared(db: Kysely<Schema>): Prepared {
  const compiled = new Map<string, CompiledQuery>();

  return async <Input extends Template, Row>(
    name: string,
    input: Input,
    build: (input: Input) => Compilable<Row>,
  ): Promise<Row[]> => {
    const values = new Map<string, Leaf>();
    const shape = mark(input, MARK, values);
    const key = `${name}${JSON.stringify(shape)}`;
    let query = compiled.get(key);
    if (query === undefined) {
      // The marks stand where strings and numbers will; a query doesn't look at what it is given.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      query = build(shape as Input).compile();
      if (compiled.size >= MAX_COMPILED) compiled.clear();
      compiled.set(key, query);
    }
    const parameters = query.parameters.map((one) => (isMark(one) ? values.get(one) : one));
    // The query that was compiled selects these rows.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return (await db.executeQuery({ ...query, parameters })).rows as Row[];
  };
}

/** The input with a mark in place of each leaf, which goes into `values` under it; what is undefined stays. */
function mark(input: Template, path: string, values: Map<string, Leaf>): Template {
  if (input === undefined) return undefined;
  if (typeof input !== 'object') {
    values.set(path, input);
    return path;
  }
  if (isList(input)) return input.map((item, index) => mark(item, `${path}.${index}`, values));
  const marked: { [name: string]: Template } = {};
  for (const [name, item] of Object.entries(input)) marked[name] = mark(item, `${path}.${name}`, values);
  return marked;
}

function isList(value: object): value is readonly Template[] {
  return Array.isArray(value);
}

function isMark(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(MARK);
}
