import { lookup as dnsLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { callbackify } from 'node:util';
import { Agent } from 'undici';
import { literalAddress, mayReach, type Scope, scopeOfAddress } from './addresses.ts';
import { registryError } from './errors.ts';
import type { RegistrySettings } from './settings.ts';

/** Whom a connection may go to, and whether its certificate must verify. */
export type Route = {
  /** Undefined: any address, because the user named the host. Else the scope of the registry whose answer sent us there. */
  readonly sentFrom?: Scope;
  readonly verifyTls: boolean;
};

/** The connections of one client: an undici agent for each kind of route. */
export type Network = {
  agent(route: Route): Agent;
  /** Throws `registry.address-refused` when the URL's host is an address that the route may not reach. */
  checkHost(url: URL, route: Route): void;
  /** The scope of a host that the user named, from the addresses it had when we connected to it. */
  scopeOf(hostname: string): Scope;
  close(): Promise<void>;
};

export function createNetwork(settings: RegistrySettings): Network {
  const agents = new Map<string, Agent>();
  // The most public scope a name has ever had here: a name server that changes its answers gains nothing by it.
  const scopes = new Map<string, Scope>();
  const resolve = settings.lookup ?? ((hostname: string) => dnsLookup(hostname, { all: true, verbatim: true }));

  function remember(hostname: string, found: readonly Scope[]): void {
    const all = [...found, ...(scopes.has(hostname) ? [scopes.get(hostname)] : [])];
    const most = (['public', 'private', 'local'] as const).find((scope) => all.includes(scope));
    if (most) scopes.set(hostname, most);
  }

  /** Checks where connections are made, so that a name can't resolve to one address for the check and another for the connection. */
  function lookupFor(route: Route): LookupFunction {
    const find = callbackify(async (hostname: string) => {
      const addresses = await resolve(hostname);
      const found = addresses.map(({ address }) => scopeOfAddress(address));
      const { sentFrom } = route;
      if (sentFrom === undefined) remember(hostname, found);
      else if (!found.every((scope) => mayReach(sentFrom, scope))) throw addressRefused(hostname);
      return [...addresses];
    });
    return (hostname, options, callback) => {
      find(hostname, (error, addresses) => {
        if (error) callback(error, []);
        else if (options.all) callback(null, addresses);
        else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
      });
    };
  }

  function createAgent(route: Route): Agent {
    const { connectMs, headersMs, idleMs } = settings.timeouts;
    return new Agent({
      connect: { timeout: connectMs, rejectUnauthorized: route.verifyTls, lookup: lookupFor(route) },
      headersTimeout: headersMs,
      bodyTimeout: idleMs,
      // Layers download in parallel: a connection each is faster than streams that share one HTTP/2 window.
      allowH2: false,
    });
  }

  return {
    agent(route) {
      const key = `${route.sentFrom ?? 'named'} ${route.verifyTls}`;
      let agent = agents.get(key);
      if (!agent) {
        agent = createAgent(route);
        agents.set(key, agent);
      }
      return agent;
    },
    checkHost(url, { sentFrom }) {
      const address = literalAddress(url.hostname);
      if (sentFrom === undefined || address === undefined) return;
      if (!mayReach(sentFrom, scopeOfAddress(address))) throw addressRefused(url.hostname);
    },
    scopeOf(hostname) {
      const address = literalAddress(hostname);
      // A name that we never connected to has proved nothing.
      return address === undefined ? (scopes.get(hostname) ?? 'public') : scopeOfAddress(address);
    },
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
    },
  };
}

function addressRefused(hostname: string): Error {
  return registryError(
    'registry.address-refused',
    `${hostname} is a private or link-local address, and the registry that names it is not on such a network`,
    { facts: { host: hostname } },
  );
}
