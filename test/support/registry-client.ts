import { createRegistryClient, type RegistryClient, type RegistryClientOptions } from '../../src/registry/index.ts';

/** Waits so short that a test of a slow registry is fast, and attempts so few that a test of a broken one ends. */
const QUICK: RegistryClientOptions = {
  timeouts: { connectMs: 1000, headersMs: 300, idleMs: 200, documentMs: 1500 },
  retry: { attempts: 3, baseDelayMs: 1, maxDelayMs: 20 },
  download: { progressBytes: 1000, slowWindowMs: 10_000, minBytes: 1 },
};

/** Layers come over a connection of their own when they are large: each of the two ways for all of them. */
export const WAYS = [
  { way: 'shared connections', ownConnectionBytes: Number.POSITIVE_INFINITY },
  { way: 'connections of their own', ownConnectionBytes: 0 },
] as const;

/** A registry client with short waits, closed at the end of its scope. */
export function quickClient(options: RegistryClientOptions = {}): RegistryClient & AsyncDisposable {
  const client = createRegistryClient({
    ...QUICK,
    ...options,
    timeouts: { ...QUICK.timeouts, ...options.timeouts },
    retry: { ...QUICK.retry, ...options.retry },
    download: { ...QUICK.download, ...options.download },
  });
  return { ...client, [Symbol.asyncDispose]: () => client.close() };
}

/** A name server of these names; several addresses make a name as public as the most public of them. */
export function fakeLookup(names: Readonly<Record<string, readonly string[]>>) {
  return (hostname: string) => {
    const addresses = names[hostname];
    if (!addresses) return Promise.reject(Object.assign(new Error(`no ${hostname}`), { code: 'ENOTFOUND' }));
    return Promise.resolve(addresses.map((address) => ({ address, family: 4 })));
  };
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  // Their memory is used again.
  for await (const chunk of stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}
