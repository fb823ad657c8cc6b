import { lookup as dnsLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { callbackify } from 'node:util';
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import type { Connect } from '../lib/socket-reader.ts';
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
  agent(route: Route): Dispatcher;
  /** The same for a connection of one's own; undefined where everything goes through a proxy. */
  connect(route: Route): Connect | undefined;
  /**
   * Throws `registry.address-refused` when the URL's host is an address that the route may not reach. Names are checked as
   * connections are made; those that a proxy connects to are looked up here, as far as this machine knows them.
   */
  checkHost(url: URL, route: Route): Promise<void>;
  /** The scope of a host that the user named, from the addresses it had when we connected to it. */
  scopeOf(hostname: string): Scope;
  close(): Promise<void>;
};

/** A name that a proxy will look up is checked only when this machine knows it within this time. */
const PROXIED_LOOKUP_MS = 2_000;

export function createNetwork(settings: RegistrySettings): Network {
  const agents = new Map<string, Dispatcher>();
  const lookedUp = new Map<string, Promise<readonly Scope[]>>();
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

  /** Once a name: behind a proxy this machine often knows no names, and takes long to say so. */
  function lookUp(hostname: string): Promise<readonly Scope[]> {
    const found = resolve(hostname).then((addresses) => addresses.map(({ address }) => scopeOfAddress(address)));
    const inTime = Promise.race([found, sleep(PROXIED_LOOKUP_MS, [], { ref: false })]).catch(() => []);
    lookedUp.set(hostname, inTime);
    return inTime;
  }

  async function checkName(hostname: string, { sentFrom }: Route): Promise<void> {
    const found = await (lookedUp.get(hostname) ?? lookUp(hostname));
    if (sentFrom === undefined) remember(hostname, found);
    else if (!found.every((scope) => mayReach(sentFrom, scope))) throw addressRefused(hostname);
  }

  function createAgent(route: Route): Dispatcher {
    const { connectMs, headersMs, idleMs } = settings.timeouts;
    const options = {
      connect: { timeout: connectMs, rejectUnauthorized: route.verifyTls, lookup: lookupFor(route) },
      headersTimeout: headersMs,
      bodyTimeout: idleMs,
      // Layers download in parallel: a connection each is faster than streams that share one HTTP/2 window.
      allowH2: false,
    };
    const { proxies } = settings;
    if (!proxies) return new Agent(options);
    return new EnvHttpProxyAgent({
      ...options,
      httpProxy: proxies.http,
      httpsProxy: proxies.https,
      noProxy: proxies.exceptions,
      connectTimeout: connectMs,
      requestTls: { rejectUnauthorized: route.verifyTls },
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
    connect(route) {
      if (settings.proxies) return undefined;
      const tls = { rejectUnauthorized: route.verifyTls };
      return { tls, timeoutMs: settings.timeouts.connectMs, lookup: lookupFor(route) };
    },
    async checkHost(url, route) {
      const { sentFrom } = route;
      const address = literalAddress(url.hostname);
      if (address === undefined && settings.proxies) await checkName(url.hostname, route);
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
