import { snapshotError } from './errors.ts';

/** What a filter can ask of a snapshot. */
export type FilterFields = {
  readonly name: string;
  /** Empty for none. */
  readonly parent: string;
  readonly kind: string;
  readonly labels: Readonly<Record<string, string>>;
};
export type SnapshotFilter = (fields: FilterFields) => boolean;

type Operator = '==' | '!=' | '~=';

/** Filters come from containerd alone, where a name or label has at most 4 KiB. */
const MAX_FILTER_CHARS = 64 * 1024;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
};
const NUMERIC_ESCAPE = /^(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/;
const MAX_CODE_POINT = 0x10ffff;
const MAX_BYTE = 0xff;

/**
 * Reads containerd's filters (containerd v1.6.20, filters/parser.go); a snapshot passes when any of them does, and all when
 * there is none:
 *
 *     filter    := selector ("," selector)*
 *     selector  := field ("." field)* [("==" | "!=" | "~=") value]
 *     field     := quoted | [A-Za-z0-9_]+
 *     value     := quoted | [^\s,]+
 *     quoted    := a string literal of Go; "/" and "|" quote regular expressions as well
 *
 * Throws `snapshots.invalid-argument`.
 */
export function parseFilters(texts: readonly string[]): SnapshotFilter {
  const filters = texts.map(parseFilter);
  return (fields) => filters.length === 0 || filters.some((filter) => filter(fields));
}

function parseFilter(text: string): SnapshotFilter {
  if (text === '') return () => true;
  if (text.length > MAX_FILTER_CHARS) throw invalid(text, 0, `it is longer than ${MAX_FILTER_CHARS} characters`);
  const reader = new Reader(text);
  const selectors = [readSelector(reader)];
  while (!reader.atEnd()) {
    reader.expect(',');
    selectors.push(readSelector(reader));
  }
  return (fields) => selectors.every((selector) => selector(fields));
}

function readSelector(reader: Reader): SnapshotFilter {
  const path = [reader.field()];
  while (reader.skip('.')) path.push(reader.field());
  const operator = reader.operator();
  if (operator === undefined) return (fields) => valueAt(fields, path) !== undefined;
  const value = reader.value(operator);
  if (operator === '==') return (fields) => valueAt(fields, path) === value;
  // As in containerd, what is not there is the empty string to these two.
  if (operator === '!=') return (fields) => (valueAt(fields, path) ?? '') !== value;
  const pattern = compile(reader.text, value);
  return (fields) => pattern.test(valueAt(fields, path) ?? '');
}

function valueAt(fields: FilterFields, [first, ...rest]: readonly string[]): string | undefined {
  if (first === 'name' || first === 'parent' || first === 'kind') return fields[first];
  const label = rest.join('.');
  return first === 'labels' && Object.hasOwn(fields.labels, label) ? fields.labels[label] : undefined;
}

function compile(text: string, pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (cause) {
    throw snapshotError(
      'snapshots.invalid-argument',
      `filter ${JSON.stringify(text)}: not a regular expression`,
      cause,
    );
  }
}

class Reader {
  readonly text: string;
  #at = 0;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    this.#skipBlanks();
    return this.#at === this.text.length;
  }

  skip(char: string): boolean {
    this.#skipBlanks();
    if (this.text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  expect(char: string): void {
    if (!this.skip(char)) throw this.#fail(`"${char}" expected`);
  }

  field(): string {
    this.#skipBlanks();
    if (this.text[this.#at] === '"') return this.#quoted('"');
    return this.#match(/[A-Za-z0-9_]+/y) ?? this.#throw('a field name expected');
  }

  operator(): Operator | undefined {
    this.#skipBlanks();
    const found = this.#match(/[=!~]+/y);
    if (found === undefined || found === '==' || found === '!=' || found === '~=') return found;
    return this.#throw(`there is no operator ${found}`);
  }

  value(operator: Operator): string {
    this.#skipBlanks();
    const quote = this.text[this.#at];
    if (quote === '"' || (operator === '~=' && (quote === '/' || quote === '|'))) return this.#quoted(quote);
    // What begins like another token is one, also in containerd.
    return this.#match(/[^\s,.=!~/|"\0][^\s,\0]*/y) ?? this.#throw('a value expected');
  }

  /** Escapes of one byte may make up a character together, so bytes are gathered. */
  #quoted(quote: string): string {
    const parts: Buffer[] = [];
    for (this.#at++; ; ) {
      const char = this.#match(/[^\n]/uy);
      if (char === undefined) return this.#throw('the quoted text has no end');
      if (char === quote) return Buffer.concat(parts).toString();
      parts.push(char === '\\' ? this.#escape(quote) : Buffer.from(char));
    }
  }

  #escape(quote: string): Buffer {
    const char = this.text[this.#at] ?? '';
    const simple = char === quote ? quote : SIMPLE_ESCAPES[char];
    if (simple !== undefined) {
      this.#at++;
      return Buffer.from(simple);
    }
    const match = NUMERIC_ESCAPE.exec(this.text.slice(this.#at));
    if (!match) return this.#throw(`there is no escape \\${char}`);
    const [all, octal, byte, short, long] = match;
    const value = octal === undefined ? Number.parseInt(byte ?? short ?? long ?? '', 16) : Number.parseInt(octal, 8);
    const isByte = octal !== undefined || byte !== undefined;
    if (value > (isByte ? MAX_BYTE : MAX_CODE_POINT)) return this.#throw(`there is no character \\${all}`);
    this.#at += all.length;
    return isByte ? Buffer.from([value]) : Buffer.from(String.fromCodePoint(value));
  }

  #skipBlanks(): void {
    this.#match(/\s+/y);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #throw(reason: string): never {
    throw this.#fail(reason);
  }

  #fail(reason: string) {
    return invalid(this.text, this.#at, reason);
  }
}

function invalid(text: string, at: number, reason: string) {
  const shown = JSON.stringify(text.slice(0, 200));
  return snapshotError('snapshots.invalid-argument', `filter ${shown}, character ${at + 1}: ${reason}`);
}
