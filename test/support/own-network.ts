import { writeFileSync } from 'node:fs';
import koffi from 'koffi';
import { run } from './run.ts';

const CLONE_NEWNET = 0x40000000;
/** Least, first and most bytes that the kernel keeps of a connection; on a loopback it would go up to megabytes. */
const SOCKET_BYTES = '4096 65536 65536';

/**
 * Moves this process, and the children it starts from now on, into a network of its own: a loopback whose connections hold
 * little, so that a reader who is slow is felt by the writer. Takes root, and iproute2.
 */
export async function enterOwnNetwork(): Promise<void> {
  const unshare = koffi.load(null).func('unshare', 'int', ['int']);
  if (Number(unshare(CLONE_NEWNET)) !== 0) throw new Error(`unshare: errno ${koffi.errno()}`);
  // Only the thread that calls is moved. It also opens the sockets, starts the children, and makes these synchronous calls.
  for (const name of ['tcp_rmem', 'tcp_wmem']) writeFileSync(`/proc/sys/net/ipv4/${name}`, SOCKET_BYTES);
  await run('ip', ['link', 'set', 'lo', 'up']);
}
