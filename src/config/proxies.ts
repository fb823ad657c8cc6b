import { LarderError } from '../lib/errors.ts';
import type { Environment } from './paths.ts';

/** The HTTP proxies through which registries are reached; empty: none. */
export type Proxies = { readonly http: string; readonly https: string; readonly exceptions: string };

/** As in Docker and Go, this machine itself is never asked for through a proxy. */
const LOOPBACK = 'localhost,127.0.0.1,[::1]';

/**
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in small letters too. Undefined when no proxy is set. Throws `config.invalid`,
 * without the address, which may hold a password.
 */
export function readProxies(env: Environment): Proxies | undefined {
  const http = proxyUrl('HTTP_PROXY', env.http_proxy || env.HTTP_PROXY);
  const https = proxyUrl('HTTPS_PROXY', env.https_proxy || env.HTTPS_PROXY);
  if (http === '' && https === '') return undefined;
  return { http, https, exceptions: [LOOPBACK, env.no_proxy || env.NO_PROXY].filter(Boolean).join(',') };
}

function proxyUrl(name: string, text: string | undefined): string {
  if (!text) return '';
  const url = URL.parse(/^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url && /^https?:$/.test(url.protocol)) return url.href;
  throw new LarderError('config.invalid', `${name} is not the address of an HTTP proxy, such as http://proxy:3128`);
}
