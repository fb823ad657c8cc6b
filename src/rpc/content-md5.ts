import { createHash } from 'node:crypto';
import { apiError } from './api-error.ts';
import { headerText, type RpcRequest } from './types.ts';

/** `Content-MD5` is the base64 of the body's MD5; the Python and Java clients send it with forms. Throws `ContentMD5NotMatched`. */
export function checkContentMd5({ headers, body }: Pick<RpcRequest, 'headers' | 'body'>): void {
  const sent = headerText(headers, 'content-md5');
  if (sent && sent !== createHash('md5').update(body).digest('base64')) throw apiError('ContentMD5NotMatched');
}
