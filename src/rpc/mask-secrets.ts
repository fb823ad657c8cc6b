import type { Parameters } from './parameters.ts';
import type { RpcRequest } from './types.ts';

const SECRET_PARAMETER = /(?:^|\.)Password$|^SecurityToken$|^BearerToken$/i;
const SECRET_HEADER = /^(?:authorization|cookie|x-acs-security-token|x-acs-bearer-token|x-acs-zero-trust-idtoken)$/;
const MASK = '***';

/** The same parameters, with stars for passwords and tokens: for texts that repeat what a caller sent. */
export function maskParameters(parameters: Parameters): Parameters {
  return mask(parameters, SECRET_PARAMETER, MASK);
}

/** The same headers, with stars for tokens and signatures. */
export function maskHeaders(headers: RpcRequest['headers']): RpcRequest['headers'] {
  return mask(headers, SECRET_HEADER, [MASK]);
}

function mask<Value>(all: ReadonlyMap<string, Value>, secret: RegExp, stars: Value): ReadonlyMap<string, Value> {
  return new Map(Array.from(all, ([name, value]) => [name, secret.test(name) ? stars : value]));
}
