import type { ApiError } from './api-error.ts';
import { RawJson, type ResultObject, type ResultValue } from './result.ts';
import type { Body, RpcResponse } from './types.ts';
import { toXml } from './xml.ts';

export type Format = 'JSON' | 'XML';

/** Older clients of the vendor compare these texts literally before they parse an answer. */
const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  JSON: 'application/json;charset=utf-8',
  XML: 'text/xml;charset=utf-8',
};

/** From this length on a text is sent by itself, which costs a little more than to append a short one. */
const PART_CHARS = 8192;

/** 200, with the result's fields at top level beside RequestId. */
export function renderResult(
  result: ResultObject,
  { action, format, requestId }: { action: string; format: Format; requestId: string },
): RpcResponse {
  const value = { RequestId: requestId, ...result };
  return respond(200, value, { root: `${action}Response`, format, requestId });
}

/** `hostId` is the domain the caller named in its Host header. */
export function renderError(
  error: ApiError,
  { format, requestId, hostId }: { format: Format; requestId: string; hostId: string },
): RpcResponse {
  const value = {
    RequestId: requestId,
    HostId: hostId,
    Code: error.code,
    Message: error.message,
    Recommend: `https://api.aliyun.com/troubleshoot?q=${encodeURIComponent(error.code)}&product=Eci&requestId=${requestId}`,
    AccessDeniedDetail: error.accessDeniedDetail,
  };
  const response = respond(error.status, value, { root: 'Error', format, requestId });
  if (error.retryAfterMs === undefined) return response;
  return { ...response, headers: { ...response.headers, 'x-acs-retry-after': String(Math.ceil(error.retryAfterMs)) } };
}

function respond(
  status: number,
  value: ResultObject,
  { root, format, requestId }: { root: string; format: Format; requestId: string },
): RpcResponse {
  return {
    status,
    headers: {
      'content-type': CONTENT_TYPES[format],
      // New clients prefer it over the body's RequestId, so the two are equal.
      'x-acs-request-id': requestId,
      // The same number as 32 hex digits: one search finds both.
      'x-acs-trace-id': requestId.replaceAll('-', '').toLowerCase(),
      vary: 'Accept-Encoding',
      'access-control-allow-origin': '*',
      'access-control-expose-headers': '*',
    },
    body: format === 'JSON' ? toJson(value) : toXml(root, value),
  };
}

/** JSON.stringify, with the texts of RawJson at top level, or in a list there, put in as they are. */
function toJson(value: ResultObject): Body {
  const parts: (string | Uint8Array)[] = [];
  let text = '{';
  for (const [name, field] of Object.entries(value)) {
    const json = fieldJson(field);
    if (json === undefined) continue;
    text += `${parts.length === 0 && text === '{' ? '' : ','}${JSON.stringify(name)}:`;
    if (typeof json === 'string' && json.length < PART_CHARS) {
      text += json;
      continue;
    }
    // A page of caches is 40 KB, which a longer text around it would copy.
    parts.push(text, json);
    text = '';
  }
  text += '}';
  return parts.length === 0 ? text : [...parts, text];
}

function fieldJson(field: ResultValue): string | Uint8Array | undefined {
  if (field instanceof RawJson) return field.json;
  if (Array.isArray(field) && field.length > 0 && field.every((item) => item instanceof RawJson)) {
    return `[${field.map((item) => item.json.toString()).join(',')}]`;
  }
  return JSON.stringify(field);
}
