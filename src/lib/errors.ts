import { inspect } from 'node:util';

/** Facts that go with an error: small, printable, never a secret. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean>>;

/**
 * A failure with a stable code. Nobody parses the message; programs read `code` and `facts`.
 * The message names the cause and, where there is one, the next step.
 */
export class LarderError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly facts: ErrorFacts;

  constructor(code: Code, message: string, options: { cause?: unknown; facts?: ErrorFacts } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LarderError';
    this.code = code;
    this.facts = options.facts ?? {};
  }
}

/** The text of any thrown value, with the chain of causes: `fetch failed: connect ECONNREFUSED 127.0.0.1:5000`. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current !== undefined && current !== null && parts.length < 5; ) {
    const text =
      current instanceof Error
        ? current.message || current.name
        : typeof current === 'string'
          ? current
          : inspect(current);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}

/** What Linux says and libuv has no name for (errno(3)): Node.js gives their number instead. */
const UNNAMED: ReadonlyMap<string, string> = new Map([
  ['Unknown system error -74', 'EBADMSG'],
  ['Unknown system error -117', 'EUCLEAN'],
  ['Unknown system error -122', 'EDQUOT'],
]);

/** The `code` of a system or library error (`ECONNREFUSED`, `ENOSPC`), if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? (UNNAMED.get(error.code) ?? error.code) : undefined;
}
