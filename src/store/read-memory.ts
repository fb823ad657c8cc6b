type Text = { readonly json: string | Buffer };

/** Gives what was read before under the same key, or reads it. */
export type ReadMemory<Value> = (key: string, read: () => Promise<Value>) => Promise<Value>;

/** What remembering takes beside the texts; without it, empty answers to ever new questions would take all memory. */
const ENTRY_CHARS = 256;
/** So many questions in vain for each answer that is remembered, and others are tried. */
const MISSES_AN_ENTRY = 4;

/**
 * Answers as they were read, up to `maxChars` of text, until anything is committed: `commits` gives another number then, and is
 * asked every time. Whoever polls a catalog that doesn't change just now gets its pages without a query, which is half of
 * the time of a page (bench/api.ts). Keys count as text too.
 *
 * Once it is full nothing takes the place of what is there, until much was asked for in vain: then all is forgotten and
 * remembered anew. Were the oldest to go each time, questions that take more than there is, asked in turn, would never be
 * found; and texts that live just long enough to leave V8's young generation cost a collection of all of its heap every 250
 * calls of MatchImage, p99 6 → 20 ms (bench/api.ts, while its answers were remembered too).
 */
export function createReadMemory<Value extends Text>(commits: () => number, maxChars: number): ReadMemory<Value> {
  let known = commits();
  let chars = 0;
  let misses = 0;
  const values = new Map<string, Value>();

  function forgetAll(): void {
    values.clear();
    [chars, misses] = [0, 0];
  }

  function remember(key: string, value: Value): void {
    const more = charsOf(key, value);
    if (more > maxChars) return;
    if (chars + more > maxChars) {
      if (++misses <= values.size * MISSES_AN_ENTRY) return;
      forgetAll();
    }
    values.set(key, value);
    chars += more;
  }

  return async (key, read) => {
    const before = commits();
    if (before !== known) {
      forgetAll();
      known = before;
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
