import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { errorCode, LarderError } from '../../lib/errors.ts';
import { loadService } from './services.ts';
import { snapshotsService } from './snapshots-service.ts';
import { openSnapshotter, type SnapshotterOptions } from './snapshotter.ts';

/** A path longer than this is cut off by the kernel's `sun_path`. */
const MAX_SOCKET_PATH_BYTES = 107;
const PROBE_TIMEOUT_MS = 2000;
/** Calls under way may end; containerd tries those again that don't. */
const STOP_TIMEOUT_MS = 10_000;
/** What containerd sends at most (its max_recv_message_size). */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export type ServeSnapshotterOptions = SnapshotterOptions & {
  /** Path of the unix socket; one that a killed process left is replaced. */
  socket: string;
};

export type RunningSnapshotter = { stop(): Promise<void> };

/** Serves containerd's snapshots API on a unix socket that only root can open. Throws `nodes.*` and `snapshots.*`. */
export async function serveSnapshotter(options: ServeSnapshotterOptions): Promise<RunningSnapshotter> {
  const { socket, log } = options;
  await clearSocket(socket);
  const snapshotter = await openSnapshotter(options);
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  });
  server.addService(loadService('snapshots.v1.Snapshots'), snapshotsService(snapshotter, log));
  try {
    await bind(server, socket);
    chmodSync(socket, 0o600);
  } catch (error) {
    await snapshotter.close();
    throw error;
  }
  return {
    async stop() {
      const timer = setTimeout(() => server.forceShutdown(), STOP_TIMEOUT_MS);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(timer);
      await snapshotter.close();
      rmSync(socket, { force: true });
    },
  };
}

function bind(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
      if (!error) return resolve();
      reject(new LarderError('snapshots.socket', `can't listen on ${socket}: ${error.message}`, { cause: error }));
    });
  });
}

/** Removes a socket that nobody answers at any more. */
async function clearSocket(socket: string): Promise<void> {
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH_BYTES) {
    throw new LarderError(
      'snapshots.socket',
      `the path of the socket is longer than ${MAX_SOCKET_PATH_BYTES} bytes: ${socket}`,
    );
  }
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  const found = statSync(socket, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket())
    throw new LarderError('snapshots.socket', `${socket} is there and is no socket; name another with --socket`);
  if (await answers(socket)) {
    throw new LarderError(
      'snapshots.socket',
      `another process listens on ${socket}; stop it, or name another with --socket`,
    );
  }
  rmSync(socket, { force: true });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    connection.setTimeout(PROBE_TIMEOUT_MS, () => done(true));
    connection.once('connect', () => done(true));
    connection.once('error', (error) => {
      if (errorCode(error) === 'ECONNREFUSED' || errorCode(error) === 'ENOENT') done(false);
      else reject(error);
    });
    function done(result: boolean): void {
      connection.destroy();
      resolve(result);
    }
  });
}
