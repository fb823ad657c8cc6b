export * from './action.ts';
export { type AccessDeniedDetail, ApiError, apiError, type ErrorKey } from './api-error.ts';
export { type Authenticate, type Caller, createAuthenticate, MAX_SKEW_MS, NONCE_TTL_MS } from './authenticate.ts';
export { ERRORS } from './error-table.ts';
export { flattenParameters, type WireValue } from './flatten.ts';
export * from './handler.ts';
export { type Parameters, type RequestParameters, readParameters } from './parameters.ts';
export { parseParams } from './parse-params.ts';
export { percentEncode } from './percent.ts';
export type { AccessKeyFacts, Authenticator, Principal, SignatureFailures } from './ports.ts';
export { type Format, renderError, renderResult } from './render.ts';
export { RawJson, type ResultObject, type ResultValue, rawJson } from './result.ts';
export { canonicalParameters, signV1, stringToSignV1, verifyV1 } from './signature-v1.ts';
export {
  canonicalRequestV3,
  formatAuthorization,
  sha256Hex,
  signV3,
  stringToSignV3,
  V3_ALGORITHM,
  verifyV3,
} from './signature-v3.ts';
export type * from './spec.ts';
export { bodyText, headerText, type RpcLog, type RpcRequest, type RpcResponse } from './types.ts';
