import { randomUUID } from 'node:crypto';
import { formatTime } from '../lib/clock.ts';
import {
  canonicalParameters,
  canonicalRequestV3,
  formatAuthorization,
  type Parameters,
  sha256Hex,
  signV3,
  stringToSignV3,
  V3_ALGORITHM,
} from '../rpc/index.ts';

export type Credentials = {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string | undefined;
};

export type UnsignedRequest = {
  readonly method: 'GET' | 'POST';
  /** Scheme, host and port. */
  readonly origin: URL;
  /** Percent-encoded. */
  readonly path: string;
  readonly query: Parameters;
  /** A form; empty for none. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** The URL and headers of a request signed with V3 (ACS3-HMAC-SHA256), over all its headers. */
export function signRequest(
  request: UnsignedRequest,
  { credentials, nowMs }: { credentials: Credentials; nowMs: number },
): { url: string; headers: Record<string, string> } {
  const { method, origin, path, query } = request;
  const { accessKeyId, accessKeySecret, securityToken } = credentials;
  const body = Buffer.from(request.body);
  const headers: Record<string, string> = {
    ...request.headers,
    accept: 'application/json',
    host: origin.host,
    'x-acs-date': formatTime(nowMs),
    'x-acs-signature-nonce': randomUUID(),
    'x-acs-content-sha256': sha256Hex(body),
    ...(securityToken ? { 'x-acs-accesskey-id': accessKeyId, 'x-acs-security-token': securityToken } : {}),
  };
  const signedHeaders = Object.keys(headers).toSorted().join(';');
  const headerMap = new Map(Object.entries(headers).map(([name, value]) => [name, [value]]));
  const canonicalRequest = canonicalRequestV3({ method, path, headers: headerMap, body }, query, signedHeaders);
  const signature = signV3(stringToSignV3(canonicalRequest), accessKeySecret);
  headers.authorization = formatAuthorization({ algorithm: V3_ALGORITHM, accessKeyId, signedHeaders, signature });
  const queryText = canonicalParameters(query);
  return { url: `${origin.origin}${path}${queryText === '' ? '' : `?${queryText}`}`, headers };
}
