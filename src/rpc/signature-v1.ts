import { createHmac } from 'node:crypto';
import { equalText } from './equal-text.ts';
import type { Parameters } from './parameters.ts';
import { percentEncode } from './percent.ts';

/**
 * V1, the query signature (SignatureVersion 1.0, HMAC-SHA1): covers the method and every parameter of query and form
 * body, decoded and encoded again, because the encodings on the wire differ between clients. It covers no header and no path.
 */
export function stringToSignV1(method: string, parameters: Parameters): string {
  const pairs: string[] = [];
  for (const name of sortedNames(parameters)) {
    if (name !== 'Signature') pairs.push(`${encodeTwice(name)}%3D${encodeTwice(parameters.get(name) ?? '')}`);
  }
  return `${method}&%2F&${pairs.join('%26')}`;
}

/** Of what percent-encoding leaves, only the percent sign is encoded again. */
function encodeTwice(text: string): string {
  return percentEncode(text).replaceAll('%', '%25');
}

/** Base64. */
export function signV1(stringToSign: string, secret: string): string {
  return createHmac('sha1', `${secret}&`).update(stringToSign).digest('base64');
}

export function verifyV1(stringToSign: string, secret: string, signature: string): boolean {
  return equalText(signV1(stringToSign, secret), signature);
}

/** Sorted by name, encoded, joined: the form that V3 signs of the query, and our client sends. */
export function canonicalParameters(parameters: Parameters): string {
  const pairs: string[] = [];
  for (const name of sortedNames(parameters)) {
    pairs.push(`${percentEncode(name)}=${percentEncode(parameters.get(name) ?? '')}`);
  }
  return pairs.join('&');
}

/** The default sort compares UTF-16 units, which is byte order for all that a parameter of the API is named with. */
function sortedNames(parameters: Parameters): string[] {
  return [...parameters.keys()].toSorted();
}
