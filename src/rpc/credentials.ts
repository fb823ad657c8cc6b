import { apiError } from './api-error.ts';
import { maskHeaders, maskParameters } from './mask-secrets.ts';
import type { Parameters, RequestParameters } from './parameters.ts';
import { stringToSignV1, verifyV1 } from './signature-v1.ts';
import {
  canonicalRequestV3,
  parseAuthorization,
  sha256Hex,
  stringToSignV3,
  V3_ALGORITHM,
  verifyV3,
} from './signature-v3.ts';
import { headerText, type RpcRequest } from './types.ts';

/** `bearer`: a kind of credentials this API does not take. `none`: anonymous. */
export type Scheme = 'V1' | 'V3' | 'bearer' | 'none';

/** What a signed request says about itself, in one shape for both schemes. */
export type Credentials = {
  readonly accessKeyId: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly securityToken: string | undefined;
  /** Throws 400 `InvalidSignatureMethod` and its like. */
  checkMethod(): void;
  /** Throws 400 `SignatureDoesNotMatch` or `IncompleteSignature`. */
  verify(secret: string): void;
};

const MEANINGFUL_HEADERS = [
  'x-acs-action',
  'x-acs-version',
  'x-acs-date',
  'x-acs-signature-nonce',
  'x-acs-security-token',
];
const BEARER_HEADERS = ['x-acs-bearer-token', 'x-acs-zero-trust-idtoken', 'x-acs-signature-type', 'authorization'];

/**
 * Tells the scheme by the header `Authorization: ACS3-…`, then by the parameter `Signature`, or a key that comes without one;
 * never by `x-acs-action` or `x-acs-version`, which most V1 clients send as well.
 */
export function detectScheme(headers: RpcRequest['headers'], parameters: Parameters): Scheme {
  if (headerText(headers, 'authorization')?.startsWith('ACS3-')) return 'V3';
  // `SignatureType=` is sent, empty, by the Go and Python clients; `BEARERTOKEN` and `PRIVATEKEY` by none that ECI admits.
  if (parameters.get('SignatureType') || parameters.has('BearerToken')) return 'bearer';
  if (parameters.has('Signature')) return 'V1';
  if (BEARER_HEADERS.some((name) => headers.has(name))) return 'bearer';
  return parameters.has('AccessKeyId') ? 'V1' : 'none';
}

/** Throws, in this order: no access key id, no other system parameter, a scheme that is not taken. */
export function readCredentials(request: RpcRequest, { query, all }: RequestParameters): Credentials {
  const scheme = detectScheme(request.headers, all);
  if (scheme === 'V3') return readV3(request, query);
  if (scheme === 'V1') return readV1(request, all);
  throw scheme === 'bearer' ? apiError('InvalidSignatureMethod') : apiError('MissingAccessKeyId');
}

function readV1(request: RpcRequest, parameters: Parameters): Credentials {
  const required = (name: string) => parameters.get(name) || missing(name);
  const accessKeyId = required('AccessKeyId');
  const method = required('SignatureMethod');
  const version = required('SignatureVersion');
  const nonce = required('SignatureNonce');
  // Old documents spell it `TimeStamp`; it is signed as it was spelt.
  const timestamp = parameters.get('Timestamp') || parameters.get('TimeStamp') || missing('Timestamp');
  const signature = required('Signature');
  return {
    accessKeyId,
    timestamp,
    nonce,
    securityToken: parameters.get('SecurityToken') || undefined,
    checkMethod() {
      // V1 does not sign the path, so it proves nothing about a request to any other than that of the RPC gateway.
      if (method !== 'HMAC-SHA1' || request.path !== '/') throw apiError('InvalidSignatureMethod');
      if (version !== '1.0') throw apiError('Invalid{Param}', { Param: 'SignatureVersion' });
    },
    verify(secret) {
      const stringToSign = stringToSignV1(request.method, parameters);
      if (verifyV1(stringToSign, secret, signature)) return;
      throw apiError('SignatureDoesNotMatch:V1', {
        StringToSign: stringToSignV1(request.method, maskParameters(parameters)),
      });
    },
  };
}

function readV3(request: RpcRequest, query: Parameters): Credentials {
  const header = (name: string) => headerText(request.headers, name) || undefined;
  const authorization = parseAuthorization(header('authorization') ?? '');
  if (authorization === undefined) throw apiError('IncompleteSignature');
  const { algorithm, signedHeaders, signature } = authorization;
  const accessKeyId = authorization.accessKeyId || missing('AccessKeyId');
  const nonce = header('x-acs-signature-nonce') ?? missing('SignatureNonce');
  const bodyHash = header('x-acs-content-sha256') ?? missing('ContentSha256');
  const timestamp = header('x-acs-date') ?? missing('Date');
  return {
    accessKeyId,
    timestamp,
    nonce,
    securityToken: header('x-acs-security-token'),
    checkMethod() {
      if (algorithm !== V3_ALGORITHM) throw apiError('InvalidSignatureMethod');
    },
    verify(secret) {
      if (!signsWhatMatters(request, signedHeaders)) throw apiError('IncompleteSignature');
      const stringToSign = stringToSignV3(canonicalRequestV3(request, query, signedHeaders));
      if (verifyV3(stringToSign, secret, signature) && bodyHash === sha256Hex(request.body)) return;
      const masked = { ...request, headers: maskHeaders(request.headers) };
      const shown = canonicalRequestV3(masked, maskParameters(query), signedHeaders);
      throw apiError('SignatureDoesNotMatch:V3', { StringToSign: stringToSignV3(shown), CanonicalRequest: shown });
    },
  };
}

/**
 * A header that changes what a request means must be signed, or who relays the request could change it: those we read, when
 * they are sent, and the content type of a body. `host` need not be: the Java client leaves it out.
 */
function signsWhatMatters(request: RpcRequest, signedHeaders: string): boolean {
  const signed = new Set(signedHeaders.toLowerCase().split(';'));
  const names = request.body.length > 0 ? [...MEANINGFUL_HEADERS, 'content-type'] : MEANINGFUL_HEADERS;
  return names.every((name) => signed.has(name) || !request.headers.has(name));
}

function missing(name: string): never {
  throw apiError('Missing{Param}', { Param: name });
}
