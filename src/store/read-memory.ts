type Text = { readonly json: string | Buffer };

/** Gives what was read before under the same key, or reads it. */
export type ReadMemory<Value> = (key: string, read: () => Promise<Value>) => Promise<Value>;

/** What remembering takes beside the texts; without it, empty answers to ever new questions would take all memory. */
const ENTRY_CHARS = 256;

/**
 * Answers as they were read, up to `maxChars` of text, until anything is committed: `commits` gives another number then, and is
 * asked every time. Whoever polls a catalog that doesn't change just now gets its pages without a query, which is half of
 * the time of a page (bench/api.ts). Keys count as text too.
 */
export function createReadMemory<Value extends Text>(commits: () => number, maxChars: number): ReadMemory<Value> {
  let known = commits();
  let chars = 0;
  const values = new Map<string, Value>();

  /** The oldest go first; moving those to the end that are asked again would cost more than it saves. */
  function remember(key: string, value: Value): void {
    values.set(key, value);
    chars += charsOf(key, value);
    for (const [oldest, old] of values) {
      if (chars <= maxChars) return;
      values.delete(oldest);
      chars -= charsOf(oldest, old);
    }
  }

  return async (key, read) => {
    const before = commits();
    if (before !== known) {
      values.clear();
      [known, chars] = [before, 0];
    }
    const found = values.get(key);
    if (found !== undefined) return found;
    const value = await read();
    // It may be older than the next commit, never older than the last one that was known when it was asked for.
    if (before === known && !values.has(key)) remember(key, value);
    return value;
  };
}

function charsOf(key: string, { json }: Text): number {
  return key.length + json.length + ENTRY_CHARS;
}
