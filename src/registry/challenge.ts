/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1); scheme and parameter names in lower case. */
export type Challenge = { readonly scheme: string; readonly parameters: ReadonlyMap<string, string> };

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t]*(?:,[ \t]*)+/y;
const EQUALS = /[ \t]*=[ \t]*/y;

/**
 * Reads the challenges of all `WWW-Authenticate` headers of an answer. Several challenges may share a header, separated by
 * the same comma as their parameters, and quoted values may hold commas (`scope="repository:a:pull,push"`).
 * What can't be read is left out, with the rest of its header.
 */
export function parseChallenges(headers: string | readonly string[] | undefined): Challenge[] {
  const list = typeof headers === 'string' ? [headers] : (headers ?? []);
  return list.flatMap(parseHeader);
}

function parseHeader(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position;
    const match = pattern.exec(header);
    if (match === null) return undefined;
    position = pattern.lastIndex;
    return match;
  };

  /** A parameter, or undefined with the position where it was: then this is the scheme of the next challenge. */
  function takeParameter(): readonly [string, string] | undefined {
    const start = position;
    const name = take(TOKEN)?.[0];
    if (name !== undefined && take(EQUALS)) {
      const value = take(QUOTED)?.[1]?.replace(/\\(.)/g, '$1') ?? take(TOKEN)?.[0];
      if (value !== undefined) return [name.toLowerCase(), value];
    }
    position = start;
    return undefined;
  }

  take(SPACE);
  while (position < header.length) {
    const scheme = take(TOKEN)?.[0];
    if (scheme === undefined) break;
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    take(SPACE);
    let parameter = takeParameter();
    if (!parameter) take(TOKEN68);
    while (parameter) {
      parameters.set(...parameter);
      const before = position;
      if (!take(SEPARATOR)) break;
      parameter = takeParameter();
      if (!parameter) position = before;
    }
    if (!take(SEPARATOR)) break;
  }
  return challenges;
}
