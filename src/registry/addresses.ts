import { BlockList, isIP } from 'node:net';

/**
 * Where an address lies. `local` is what no registry may send us to, unless it lies there itself: link-local addresses
 * and the metadata services of clouds, which hand credentials to whoever asks from this machine.
 */
export type Scope = 'public' | 'private' | 'local';

function blockList(
  ipv4: readonly (readonly [string, number])[],
  ipv6: readonly (readonly [string, number])[],
): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ipv4) list.addSubnet(network, prefix, 'ipv4');
  for (const [network, prefix] of ipv6) list.addSubnet(network, prefix, 'ipv6');
  return list;
}

const LOOPBACK = blockList([['127.0.0.0', 8]], [['::1', 128]]);

const LOCAL = blockList(
  [
    ['169.254.0.0', 16],
    // Metadata of Alibaba Cloud, inside the shared range that its internal registries use too.
    ['100.100.100.200', 32],
  ],
  [
    ['fe80::', 10],
    // Metadata of AWS over IPv6.
    ['fd00:ec2::254', 128],
  ],
);

/** Not reachable over the internet (IANA special-purpose address registries): RFC 1918, 6598, 4193 and the rest. */
const PRIVATE = blockList(
  [
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['224.0.0.0', 3],
  ],
  [
    ['::', 127],
    ['fc00::', 7],
    ['fec0::', 10],
    ['ff00::', 8],
  ],
);

/** The scope of an IP address; IPv4 inside IPv6 (`::ffff:10.0.0.1`, NAT64) counts as the IPv4 address. */
export function scopeOfAddress(address: string): Scope {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const embedded = family === 'ipv6' ? embeddedIpv4(address) : undefined;
  if (embedded !== undefined) return scopeOfAddress(embedded);
  if (LOCAL.check(address, family)) return 'local';
  return PRIVATE.check(address, family) ? 'private' : 'public';
}

/** Whether an answer of a registry in `from` may make us connect to `to`. */
export function mayReach(from: Scope, to: Scope): boolean {
  return to === 'public' || from === 'local' || (from === 'private' && to === 'private');
}

/** The hosts that Docker lets speak plain HTTP without being asked: `localhost`, 127.0.0.0/8 and [::1]. */
export function isLoopback(hostname: string): boolean {
  const address = literalAddress(hostname);
  if (address === undefined) return hostname === 'localhost';
  return LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** The IP address that a URL's `hostname` is, without brackets; undefined for a name. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return isIP(bare) === 0 ? undefined : bare;
}

const EMBEDDING = blockList(
  [],
  [
    ['::ffff:0:0', 96],
    ['64:ff9b::', 96],
  ],
);

function embeddedIpv4(address: string): string | undefined {
  if (!EMBEDDING.check(address, 'ipv6')) return undefined;
  // A URL writes the last 32 bits as two groups: [::ffff:a00:1].
  const groups = new URL(`http://[${address}]/`).hostname.slice(1, -1).split(':');
  const [high = '0', low = '0'] = groups.slice(-2);
  const value = (Number.parseInt(high || '0', 16) << 16) | Number.parseInt(low || '0', 16);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}
