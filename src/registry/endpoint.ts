import { LarderError } from '../lib/errors.ts';
import { DOCKER_HUB } from '../oci/index.ts';
import { isLoopback } from './addresses.ts';
import type { RegistrySettings } from './settings.ts';

/** Where a registry's API is, and how it is spoken to. */
export type Endpoint = {
  /** As in a reference, for messages and credentials: `docker.io`, `host:port`. */
  readonly registry: string;
  /** `https://registry-1.docker.io`. */
  readonly origin: string;
  readonly hostname: string;
  readonly verifyTls: boolean;
  /** Of a mirror: what goes before the name of every repository. */
  readonly prefix?: string;
};

/** Docker Hub's API is not at the name that references use. */
const DOCKER_HUB_HOST = 'registry-1.docker.io';

/**
 * HTTPS, or what the user's lists say. A loopback host that is on no list is treated as by Docker: TLS is not verified,
 * and where nobody speaks TLS it is plain HTTP; `probe` asks the registry, and only then.
 */
export async function findEndpoint(
  registry: string,
  settings: Pick<RegistrySettings, 'plainHttp' | 'insecure'>,
  probe: (endpoint: Endpoint) => Promise<unknown>,
): Promise<Endpoint> {
  const host = registry === DOCKER_HUB ? DOCKER_HUB_HOST : registry;
  const { hostname } = new URL(`https://${host}`);
  const endpoint = (scheme: 'http' | 'https', verifyTls: boolean): Endpoint => ({
    registry,
    origin: new URL(`${scheme}://${host}`).origin,
    hostname,
    verifyTls,
  });
  const listed = registry.toLowerCase();
  if (settings.plainHttp.has(listed)) return endpoint('http', true);
  if (settings.insecure.has(listed)) return endpoint('https', false);
  if (!isLoopback(hostname)) return endpoint('https', true);
  const overTls = endpoint('https', false);
  try {
    await probe(overTls);
    return overTls;
  } catch (error) {
    if (error instanceof LarderError && error.code === 'registry.plain-http') return endpoint('http', true);
    throw error;
  }
}

/** The repository as the endpoint calls it. */
export function repositoryAt({ prefix }: Endpoint, repository: string): string {
  return prefix === undefined ? repository : `${prefix}/${repository}`;
}
