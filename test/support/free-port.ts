import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that the kernel gives to outgoing connections (ip_local_port_range, from 32,768 on): none of them takes it. */
const [FIRST_PORT, END_PORT] = [10_000, 32_768];

/** Also those on which nobody listens just now: their servers are being started, or started again. */
const given = new Set<number>();

/** A port on 127.0.0.1 that nobody listens on at this moment, and that this process did not give before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, END_PORT);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
