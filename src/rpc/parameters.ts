import { apiError } from './api-error.ts';
import { percentDecode } from './percent.ts';
import { headerText, type RpcRequest } from './types.ts';

/** Decoded parameters by name. A Map, so that `__proto__` is a name like any other. */
export type Parameters = ReadonlyMap<string, string>;

export type RequestParameters = {
  /** Those of the query alone: what the V3 signature covers (it covers the body by its hash). */
  readonly query: Parameters;
  /** Query and form body together: what V1 signs and every handler reads. */
  readonly all: Parameters;
};

/** CreateImageCache at all its limits (20 AcrRegistryInfo with 100 domains each) needs about 2,300. */
export const MAX_PARAMETERS = 4096;
const FORM = 'application/x-www-form-urlencoded';
/** As much of a bad name as an error message repeats. */
const MAX_ECHO_CHARS = 64;
const NOT_ASCII = /[^ -~]/;

/**
 * The parameters of the query and of the form body, in one map. A body of another content type holds none.
 *
 * A name that comes twice with one value counts once (some clients repeat RegionId in query and body, and sign it once);
 * with two values it is refused, so there is never a question of which of them was signed.
 * Throws 400 `InvalidParameter` on broken escapes, invalid UTF-8, conflicting repeats and too many parameters.
 */
export function readParameters(request: RpcRequest): RequestParameters {
  // A request target is ASCII (RFC 3986); what else a lenient listener lets through was never percent-encoded.
  if (NOT_ASCII.test(request.rawQuery)) throw invalid('query', 'it is not percent-encoded');
  const query = new Map<string, string>();
  collect(request.rawQuery, query);
  if (request.body.length === 0 || !isForm(headerText(request.headers, 'content-type'))) return { query, all: query };
  const all = new Map(query);
  collect(decodeBody(request.body), all);
  return { query, all };
}

function isForm(contentType: string | undefined): boolean {
  return contentType === undefined || contentType.split(';', 1)[0]?.trim().toLowerCase() === FORM;
}

function decodeBody(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw invalid('body', 'it is not valid UTF-8');
  }
}

function collect(text: string, into: Map<string, string>): void {
  const pairs = text.split('&');
  if (pairs.length + into.size > MAX_PARAMETERS) throw invalid('list', `it has more than ${MAX_PARAMETERS} entries`);
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const rawName = equals === -1 ? pair : pair.slice(0, equals);
    const name = percentDecode(rawName);
    const value = equals === -1 ? '' : percentDecode(pair.slice(equals + 1));
    if (name === undefined || value === undefined) throw invalid(rawName, 'it is not percent-encoded UTF-8');
    const before = into.get(name);
    if (before !== undefined && before !== value) throw invalid(name, 'it is given twice with different values');
    into.set(name, value);
  }
}

function invalid(name: string, reason: string) {
  return apiError('InvalidParameter', { Param: name.slice(0, MAX_ECHO_CHARS), Reason: reason });
}
