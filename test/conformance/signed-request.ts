import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Client, type Params, type Wire } from './client.ts';

/** More than the service takes. */
const MAX_HEADER_BYTES = 1024 * 1024;

/** A signed request that was not sent yet. */
export type SignedRequest = {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** What a call would send, to be sent otherwise, or several times. The header host is left to whoever sends it. */
export async function signedRequest(
  client: Client,
  action: string,
  params: Params = {},
  wire: Wire = {},
): Promise<SignedRequest> {
  const taken = Promise.withResolvers<SignedRequest>();
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (incoming, response) => {
    const { method = '', url = '', headers } = incoming;
    const { host: _, connection: __, 'content-length': ___, 'transfer-encoding': ____, ...others } = headers;
    const kept = Object.entries(others).map(([name, value]): [string, string] => [name, String(value)]);
    text(incoming).then((body) => {
      response.end('{}');
      taken.resolve({ method, path: url, headers: Object.fromEntries(kept), body });
    }, taken.reject);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A socket's address has this form.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { port } = server.address() as AddressInfo;
  const { accountId, key, image } = client;
  const elsewhere = new Client({ endpoint: `127.0.0.1:${port}`, accountId, key, image });
  const system = wire.scheme === 'V3' ? { host: null, ...wire.system } : { ...wire.system };
  try {
    await elsewhere.call(action, params, { ...wire, system });
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return taken.promise;
}
