import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h). */
const LISTEN = '0A';

/** Whether a process, or a child of it, listens on the TCP port: not another one that took the port just before it. */
export function isListening(pid: number, port: number): boolean {
  const sockets = listeningSockets(port);
  return [pid, ...childrenOf(pid)].some((each) => filesOf(each).some((file) => sockets.has(file)));
}

/** As /proc/PID/fd names them: `socket:[INODE]`. */
function listeningSockets(port: number): Set<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  // The second is not there where IPv6 is switched off.
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'];
  const lines = tables.flatMap((path) => orNothing(() => readFileSync(path, 'latin1').split('\n')));
  // proc_net_tcp: sl, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode.
  const rows = lines.map((line) => line.trim().split(/\s+/));
  const listening = rows.filter(([, local, , state]) => state === LISTEN && local?.endsWith(`:${hexPort}`));
  return new Set(listening.map((row) => `socket:[${row[9]}]`));
}

function childrenOf(pid: number): number[] {
  const list = orNothing(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' '));
  return list.filter(Boolean).map(Number);
}

function filesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return orNothing(() => readdirSync(folder)).flatMap((name) => orNothing(() => [readlinkSync(`${folder}/${name}`)]));
}

/** Of what is not there: a process that has just ended, a file that it closed. */
function orNothing(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return [];
  }
}
