import { createHmac, hash } from 'node:crypto';
import { equalText } from './equal-text.ts';
import type { Parameters } from './parameters.ts';
import { canonicalParameters } from './signature-v1.ts';
import { headerText, type RpcRequest } from './types.ts';

/** V3, the header signature: covers method, path, query, the named headers and the hash of the body. */
export const V3_ALGORITHM = 'ACS3-HMAC-SHA256';

/** Most requests have no body, and its hash is asked for twice. */
const EMPTY_SHA256 = hash('sha256', '', 'hex');

export type Authorization = {
  readonly algorithm: string;
  readonly accessKeyId: string;
  /** As received: its order is the order of the canonical headers. */
  readonly signedHeaders: string;
  readonly signature: string;
};

/**
 * `ACS3-… Credential=…,SignedHeaders=…,Signature=…`, the fields in any order (the Java client has one of its own).
 * Undefined when a field is missing.
 */
export function parseAuthorization(text: string): Authorization | undefined {
  const space = text.indexOf(' ');
  const fields = new Map<string, string>();
  for (const field of text.slice(space + 1).split(',')) {
    const equals = field.indexOf('=');
    fields.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim());
  }
  const [accessKeyId, signedHeaders, signature] = ['Credential', 'SignedHeaders', 'Signature'].map((name) =>
    fields.get(name),
  );
  if (space === -1 || accessKeyId === undefined || signedHeaders === undefined || signature === undefined)
    return undefined;
  return { algorithm: text.slice(0, space), accessKeyId, signedHeaders, signature };
}

export function formatAuthorization({ algorithm, accessKeyId, signedHeaders, signature }: Authorization): string {
  return `${algorithm} Credential=${accessKeyId},SignedHeaders=${signedHeaders},Signature=${signature}`;
}

type SignedRequest = Pick<RpcRequest, 'method' | 'path' | 'headers' | 'body'>;

/**
 * `signedHeaders` names the headers it holds, in its order; a header that is not there counts as empty. The last line is the
 * hash of the body itself, so a body that was changed can't pass whatever `x-acs-content-sha256` says.
 */
export function canonicalRequestV3(request: SignedRequest, query: Parameters, signedHeaders: string): string {
  const names = signedHeaders === '' ? [] : signedHeaders.toLowerCase().split(';');
  const canonicalHeaders = names.map((name) => `${name}:${headerText(request.headers, name) ?? ''}\n`).join('');
  return [
    request.method,
    request.path,
    canonicalParameters(query),
    canonicalHeaders,
    signedHeaders,
    sha256Hex(request.body),
  ].join('\n');
}

export function stringToSignV3(canonicalRequest: string): string {
  return `${V3_ALGORITHM}\n${sha256Hex(canonicalRequest)}`;
}

/** Lower-case hex. */
export function signV3(stringToSign: string, secret: string): string {
  return createHmac('sha256', secret).update(stringToSign).digest('hex');
}

export function verifyV3(stringToSign: string, secret: string, signature: string): boolean {
  return equalText(signV3(stringToSign, secret), signature);
}

/** Lower-case hex: the value of `x-acs-content-sha256`. */
export function sha256Hex(data: string | Uint8Array): string {
  return data.length === 0 ? EMPTY_SHA256 : hash('sha256', data, 'hex');
}
