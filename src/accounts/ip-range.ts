/** An address as bits: 32 or 128 of them. IPv4 addresses written as IPv6 (`::ffff:10.0.0.1`) count as IPv4. */
type IpAddress = { bits: 32 | 128; value: bigint };

/** A block of addresses: all whose first `prefix` bits are those of `value`. */
export type IpRange = IpAddress & { prefix: number };

const MAPPED_PREFIX = 0xffffn;

/** The range of `10.0.0.0/8`, `2001:db8::/32` or a single address; undefined when it is none. Bits after the prefix don't count. */
export function parseIpRange(text: string): IpRange | undefined {
  const [address = '', prefixText, ...rest] = text.split('/');
  const parsed = parseIp(address);
  if (!parsed || rest.length > 0) return undefined;
  if (prefixText === undefined) return { ...parsed, prefix: parsed.bits };
  if (!/^\d{1,3}$/.test(prefixText)) return undefined;
  // `::ffff:10.0.0.0/104` is 10.0.0.0/8.
  const mappedBits = address.includes(':') && parsed.bits === 32 ? 96 : 0;
  const prefix = Number(prefixText) - mappedBits;
  return prefix >= 0 && prefix <= parsed.bits ? { ...parsed, prefix } : undefined;
}

/** False for a text that is no address, and between the two kinds of addresses. */
export function ipInRange(range: IpRange, text: string): boolean {
  const address = parseIp(text);
  if (address?.bits !== range.bits) return false;
  const ignored = BigInt(range.bits - range.prefix);
  return address.value >> ignored === range.value >> ignored;
}

function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(':')) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = parseIpv6(text);
  if (value === undefined) return undefined;
  return value >> 32n === MAPPED_PREFIX ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  if (tail.includes('.')) {
    const ipv4 = parseIpv4(tail);
    if (ipv4 === undefined) return undefined;
    return parseIpv6(`${text.slice(0, lastColon)}:${(ipv4 >> 16n).toString(16)}:${(ipv4 & 0xffffn).toString(16)}`);
  }
  const [head = '', rest, ...more] = text.split('::');
  if (more.length > 0) return undefined;
  const before = head === '' ? [] : head.split(':');
  const after = rest === undefined || rest === '' ? [] : rest.split(':');
  const missing = 8 - before.length - after.length;
  if (rest === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
