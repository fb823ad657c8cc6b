import { DOCKER_HUB } from '../oci/index.ts';

/** How to log in to a registry: a name and password, or a token to refresh with (Docker's "identity token"). */
export type Credential = { readonly username: string; readonly password: string } | { readonly identityToken: string };

/** The credential for a registry, named as in a reference (`docker.io`, `host:port`); undefined: none, go anonymous. */
export type CredentialLookup = (registry: string) => Promise<Credential | undefined>;

const DOCKER_HUB_NAMES = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * The host that a user's or Docker's name for a registry means: `https://index.docker.io/v1/` → `docker.io`,
 * `Https://Host:5000/v2/` → `host:5000`. Undefined for a key that names a part of a registry (`quay.io/team`).
 */
export function registryOfKey(key: string): string | undefined {
  const [host = '', ...path] = key
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .split('/');
  if (host === '' || !/^(?:v1|v2)?\/*$/.test(path.join('/'))) return undefined;
  return DOCKER_HUB_NAMES.has(host) ? DOCKER_HUB : host;
}

/** A lookup in a list, as the API's caller gives it: `server` is `host[:port]`. The last entry for a host wins. */
export function credentialsFromList(
  list: readonly { readonly server: string; readonly username: string; readonly password: string }[],
): CredentialLookup {
  const byHost = new Map(
    list.map(({ server, username, password }) => [registryOfKey(server), { username, password }] as const),
  );
  return (registry) => Promise.resolve(byHost.get(registryOfKey(registry)));
}

/** Asks the sources in order; the first that has a credential decides: the caller's own, then the server's Docker config. */
export function createCredentialLookup(sources: readonly CredentialLookup[]): CredentialLookup {
  return async (registry) => {
    for (const source of sources) {
      const credential = await source(registry);
      if (credential) return credential;
    }
    return undefined;
  };
}
