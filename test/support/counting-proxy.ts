import { once } from 'node:events';
import { createServer, request } from 'node:http';

export type CountingProxy = {
  /** `127.0.0.1:PORT`. */
  host: string;
  /** Method and path of every request since the last call, in their order. */
  take(): string[];
  [Symbol.asyncDispose](): Promise<void>;
};

/** An HTTP proxy in front of a server on this machine that writes down what is asked for. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  let requests: string[] = [];
  const server = createServer((incoming, answer) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    const { method, url: path, headers } = incoming;
    const [hostname, port] = target.split(':');
    // The host that was asked for stays, so that the registry's redirects lead here.
    const onward = request({ hostname, port, method, path, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return {
    host: `127.0.0.1:${address.port}`,
    take() {
      const taken = requests;
      requests = [];
      return taken;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
