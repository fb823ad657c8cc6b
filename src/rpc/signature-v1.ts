import { createHmac } from 'node:crypto';
import { equalText } from './equal-text.ts';
import type { Parameters } from './parameters.ts';
import { percentEncode } from './percent.ts';

/**
 * V1, the query signature (SignatureVersion 1.0, HMAC-SHA1): covers the method and every parameter of query and form
 * body, decoded and encoded again, because the encodings on the wire differ between clients. It covers no header and no path.
 */
export function stringToSignV1(method: string, parameters: Parameters): string {
  let text = '';
  for (const [name, value] of canonicalPairs(parameters)) {
    if (name !== 'Signature') text += `${text === '' ? '' : '%26'}${encodeAgain(name)}%3D${encodeAgain(value)}`;
  }
  return `${method}&%2F&${text}`;
}

/** percentEncode of what it made itself: of that, it changes the escapes alone. */
function encodeAgain(encoded: string): string {
  return encoded.includes('%') ? encoded.replaceAll('%', '%25') : encoded;
}

/** Base64. */
export function signV1(stringToSign: string, secret: string): string {
  return createHmac('sha1', `${secret}&`).update(stringToSign).digest('base64');
}

export function verifyV1(stringToSign: string, secret: string, signature: string): boolean {
  return equalText(signV1(stringToSign, secret), signature);
}

/** Sorted by name, encoded, joined: the form that V3 signs of the query, V1 encodes again, and our client sends. */
export function canonicalParameters(parameters: Parameters): string {
  return canonicalPairs(parameters)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function canonicalPairs(parameters: Parameters): [name: string, value: string][] {
  // The default sort compares UTF-16 units, which is byte order for all that a parameter of the API is named with.
  const names = Array.from(parameters.keys()).toSorted();
  return names.map((name) => [percentEncode(name), percentEncode(parameters.get(name) ?? '')]);
}
