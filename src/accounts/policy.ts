import { z } from 'zod';
import { LarderError } from '../lib/errors.ts';
import { conditionKeyProblem } from './condition-keys.ts';
import { type Condition, isConditionOperator, prepareCondition } from './conditions.ts';

/** A policy document of RAM, version 1. */
export type Policy = { readonly statements: readonly Statement[] };

export type Statement = {
  readonly effect: 'Allow' | 'Deny';
  readonly action: Selection;
  readonly resource: Selection;
  /** All must hold. */
  readonly conditions: readonly Condition[];
};

/** `Action` or, with `not`, `NotAction`: what any of the patterns matches, or all but that. */
export type Selection = { readonly not: boolean; readonly patterns: readonly string[] };

/** The vendor's limit for a policy of an account's own. */
export const MAX_POLICY_CHARS = 6144;
/** The vendor's limit for the policy of a session. */
export const MAX_SESSION_POLICY_CHARS = 2048;

const ACTION = /^(\*|[A-Za-z0-9*?-]+:[A-Za-z0-9*?]+)$/;
const RESOURCE = /^(\*|acs:[^\s]+)$/;

const oneOrMore = <Item extends z.ZodType>(item: Item) => z.union([item, z.array(item).min(1)]);
const strings = oneOrMore(z.string().min(1));
const conditionValue = z.union([z.string(), z.boolean(), z.number()]).transform(String);

const documentSchema = z.strictObject({
  Version: z.literal('1'),
  Statement: oneOrMore(
    z.strictObject({
      Effect: z.enum(['Allow', 'Deny']),
      Action: strings.optional(),
      NotAction: strings.optional(),
      Resource: strings.optional(),
      NotResource: strings.optional(),
      Condition: z.record(z.string(), z.record(z.string(), oneOrMore(conditionValue))).optional(),
    }),
  ),
});
type StatementDocument = Exclude<z.infer<typeof documentSchema>['Statement'], readonly unknown[]>;

/** Reads a policy document. Throws `accounts.policy` with what is wrong, and where. */
export function parsePolicy(text: string, maxChars = MAX_POLICY_CHARS): Policy {
  if (text.length > maxChars) throw invalid(`it has ${text.length} characters, and ${maxChars} are allowed`);
  const parsed = documentSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the document'}: ${message}`);
    throw invalid(issues.join('; '));
  }
  return { statements: listOf(parsed.data.Statement).map(statementOf) };
}

/** The document of a policy; parsing it gives the policy back. */
export function printPolicy(policy: Policy): string {
  const Statement = policy.statements.map(({ effect, action, resource, conditions }) => ({
    Effect: effect,
    [action.not ? 'NotAction' : 'Action']: action.patterns,
    [resource.not ? 'NotResource' : 'Resource']: resource.patterns,
    ...(conditions.length === 0 ? {} : { Condition: conditionsDocument(conditions) }),
  }));
  return JSON.stringify({ Version: '1', Statement });
}

function statementOf(document: StatementDocument, index: number): Statement {
  const where = `Statement.${index}`;
  const action = selectionOf(where, document, ['Action', 'NotAction']);
  for (const pattern of action.patterns) {
    if (!ACTION.test(pattern)) throw invalid(`${where}: ${JSON.stringify(pattern)} is no action as eci:Describe*`);
  }
  const resource = selectionOf(where, document, ['Resource', 'NotResource']);
  for (const pattern of resource.patterns) {
    if (RESOURCE.test(pattern)) continue;
    throw invalid(`${where}: ${JSON.stringify(pattern)} is neither * nor a resource as acs:eci:*:*:imagecache/*`);
  }
  const conditions = Object.entries(document.Condition ?? {}).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => conditionOf(where, operator, { key, values: listOf(values) })),
  );
  return { effect: document.Effect, action, resource, conditions };
}

function selectionOf<Name extends 'Action' | 'NotAction' | 'Resource' | 'NotResource'>(
  where: string,
  document: Readonly<{ [_ in Name]?: string | string[] | undefined }>,
  [name, notName]: readonly [Name, Name],
): Selection {
  const [patterns, notPatterns] = [document[name], document[notName]];
  if ((patterns === undefined) === (notPatterns === undefined)) {
    throw invalid(`${where}: it must have either ${name} or ${notName}`);
  }
  return { not: patterns === undefined, patterns: listOf(patterns ?? notPatterns ?? []) };
}

function conditionOf(where: string, operator: string, rest: Omit<Condition, 'operator'>): Condition {
  if (!isConditionOperator(operator)) throw invalid(`${where}: there is no condition operator ${operator}`);
  const problem = conditionKeyProblem(rest.key);
  if (problem !== undefined) throw invalid(`${where}: ${problem}`);
  const condition = { operator, ...rest };
  try {
    prepareCondition(condition);
  } catch (error) {
    if (error instanceof TypeError) throw invalid(`${where}: ${rest.key}: ${error.message}`);
    throw error;
  }
  return condition;
}

function conditionsDocument(conditions: readonly Condition[]): object {
  const document = new Map<string, Map<string, readonly string[]>>();
  for (const { operator, key, values } of conditions) {
    const keys = document.get(operator) ?? new Map<string, readonly string[]>();
    document.set(operator, keys.set(key, values));
  }
  return Object.fromEntries([...document].map(([operator, keys]) => [operator, Object.fromEntries(keys)]));
}

function listOf<Item>(value: Item | Item[]): Item[] {
  return Array.isArray(value) ? value : [value];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, (key, value: unknown) => {
      // The schema would pass over it in silence, and a condition with it.
      if (key === '__proto__') throw invalid('__proto__ has no meaning');
      return value;
    });
  } catch (cause) {
    if (cause instanceof LarderError) throw cause;
    throw new LarderError('accounts.policy', 'the policy is not valid JSON', { cause });
  }
}

function invalid(reason: string): LarderError {
  return new LarderError('accounts.policy', `the policy is not valid: ${reason}`);
}
