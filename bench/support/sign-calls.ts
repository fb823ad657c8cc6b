import { randomUUID } from 'node:crypto';
import { formatTime } from '../../src/lib/clock.ts';
import {
  canonicalParameters,
  canonicalRequestV3,
  ECI_VERSION,
  formatAuthorization,
  sha256Hex,
  signV1,
  signV3,
  stringToSignV1,
  stringToSignV3,
  V3_ALGORITHM,
} from '../../src/rpc/index.ts';
import type { RequestSource } from './load-job.ts';

type Signed = Extract<RequestSource, { kind: 'signed' }>;
const NO_BODY = new Uint8Array();
const EMPTY_SHA256 = sha256Hex(NO_BODY);

/** The whole request of a call, as the vendor's clients send it: V1 a GET, V3 a POST, all parameters in the query. */
export function signCall(call: Readonly<Record<string, string>>, source: Signed, port: number): Buffer {
  return Buffer.from(source.scheme === 'V1' ? signedV1(call, source, port) : signedV3(call, source, port), 'latin1');
}

function signedV1(call: Readonly<Record<string, string>>, source: Signed, port: number): string {
  const parameters = new Map(
    Object.entries({
      ...call,
      Format: 'JSON',
      Version: ECI_VERSION,
      AccessKeyId: source.accessKeyId,
      SignatureMethod: 'HMAC-SHA1',
      SignatureVersion: '1.0',
      SignatureNonce: randomUUID(),
      Timestamp: formatTime(Date.now()),
    }),
  );
  parameters.set('Signature', signV1(stringToSignV1('GET', parameters), source.accessKeySecret));
  return httpText(`GET /?${canonicalParameters(parameters)}`, { host: `127.0.0.1:${port}`, ...SDK_HEADERS });
}

function signedV3({ Action = '', ...call }: Readonly<Record<string, string>>, source: Signed, port: number): string {
  const query = new Map(Object.entries(call));
  const headers = {
    host: `127.0.0.1:${port}`,
    'x-acs-action': Action,
    'x-acs-content-sha256': EMPTY_SHA256,
    'x-acs-date': formatTime(Date.now()),
    'x-acs-signature-nonce': randomUUID().replaceAll('-', ''),
    'x-acs-version': ECI_VERSION,
  };
  const signedHeaders = Object.keys(headers).join(';');
  const map = new Map(Object.entries(headers).map(([name, value]) => [name, [value]]));
  const request = { method: 'POST', path: '/', headers: map, body: NO_BODY };
  const text = stringToSignV3(canonicalRequestV3(request, query, signedHeaders));
  const { accessKeyId, accessKeySecret } = source;
  const authorization = formatAuthorization({
    algorithm: V3_ALGORITHM,
    accessKeyId,
    signedHeaders,
    signature: signV3(text, accessKeySecret),
  });
  return httpText(`POST /?${canonicalParameters(query)}`, {
    ...headers,
    authorization,
    'content-length': '0',
    ...SDK_HEADERS,
  });
}

const SDK_HEADERS = {
  accept: 'application/json',
  'user-agent': 'AlibabaCloud (linux; x64) Node.js/v24.0.0 Core/1.0.1 TeaDSL/1',
  connection: 'keep-alive',
};

function httpText(start: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`${start} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
}
