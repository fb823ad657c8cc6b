import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { Digest } from '../../lib/digest.ts';
import { LarderError } from '../../lib/errors.ts';
import { loadService, type ServiceName } from './services.ts';
import type { Labels } from './snapshot-record.ts';

/** containerd answers from its database; only a machine that swaps takes longer. */
const CALL_TIMEOUT_MS = 30_000;
/** By default gRPC waits up to two minutes before it tries a socket again. */
const RECONNECT_MS = 500;
/** From reading an image's name to a container that holds its snapshot, on a machine that is slow. */
const PREDECESSOR_MS = 10 * 60_000;

export type ImageRecord = {
  readonly name: string;
  readonly target: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
};

/** What the preloader calls of containerd, in one namespace of it. Calls throw `containerd.<gRPC status in lower case>`. */
export type ContainerdClient = {
  /** Runs the task with a lease, which keeps what it makes from containerd's collection until it ends. */
  withLease(id: string, expires: Date, task: (leased: LeasedClient) => Promise<void>): Promise<void>;
  close(): void;
};
export type LeasedClient = {
  /** Writes a small document with its labels; to one that is there the labels are added. */
  putContent(content: { digest: Digest; bytes: Uint8Array; labels: Labels }): Promise<void>;
  /**
   * Creates the image, or makes the one of this name be this. What the name meant before is kept for PREDECESSOR_MS: a
   * client that starts a container reads the name first and the content later, with nothing that holds the content.
   */
  putImage(image: ImageRecord): Promise<void>;
  hasSnapshot(name: string): Promise<boolean>;
  /** Asks the snapshotter for a layer chain; false when it doesn't have it. */
  takeSnapshot(snapshot: { key: string; parent: string; labels: Labels }): Promise<boolean>;
};

type Response = Record<string, unknown>;

export function connectContainerd(options: {
  socket: string;
  namespace: string;
  /** As containerd's configuration names us. */
  snapshotter: string;
}): ContainerdClient {
  const { socket, namespace, snapshotter } = options;
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MS,
  });

  function methodOf(service: ServiceName, name: string): MethodDefinition<object, object> {
    const method = loadService(service)[name];
    if (!method) throw new LarderError('containerd.proto', `${service} has no ${name}`);
    return method;
  }

  function metadata(lease?: string): Metadata {
    const headers = new Metadata();
    headers.set('containerd-namespace', namespace);
    if (lease !== undefined) headers.set('containerd-lease', lease);
    return headers;
  }

  function call(service: ServiceName, name: string, request: object, lease?: string): Promise<Response> {
    const { path, requestSerialize, responseDeserialize } = methodOf(service, name);
    const deadline = Date.now() + CALL_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata(lease),
        { deadline },
        (error, response) => {
          if (error) reject(translate(`${service} ${name}`, error));
          else resolve({ ...response });
        },
      );
    });
  }

  /** One message that writes and commits: containerd's limit of a message is 16 MiB, documents have at most 8. */
  function write(content: { digest: Digest; bytes: Uint8Array; labels: Labels }, lease: string): Promise<void> {
    const { digest, bytes, labels } = content;
    const { path, requestSerialize, responseDeserialize } = methodOf('content.v1.Content', 'Write');
    const deadline = Date.now() + CALL_TIMEOUT_MS;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata(lease), {
      deadline,
    });
    return new Promise((resolve, reject) => {
      stream.on('data', () => {});
      stream.once('error', (error: ServiceError) => reject(translate('content.v1.Content Write', error)));
      stream.once('end', resolve);
      // The lease's id makes the name of the ingest one of a kind: a killed process leaves nothing that is in the way.
      const ref = `${lease}-${digest}`;
      stream.write({ action: 'COMMIT', ref, total: bytes.length, expected: digest, offset: 0, data: bytes, labels });
      stream.end();
    });
  }

  async function createLease(id: string, expires: Date): Promise<void> {
    const labels = { 'containerd.io/gc.expire': expires.toISOString() };
    await call('leases.v1.Leases', 'Create', { id, labels });
  }

  async function targetOf(name: string): Promise<string | undefined> {
    const { image } = await call('images.v1.Images', 'Get', { name });
    // The form is that of images.proto.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return (image as ImageRecord | undefined)?.target.digest;
  }

  function leased(lease: string): LeasedClient {
    return {
      async putContent(content) {
        const { digest, labels } = content;
        const isNew = await unless('containerd.already_exists', write(content, lease));
        if (isNew) return;
        const paths = Object.keys(labels).map((label) => `labels.${label}`);
        await call('content.v1.Content', 'Update', { info: { digest, labels }, updateMask: { paths } }, lease);
      },
      async putImage(image) {
        const created = call('images.v1.Images', 'Create', { image }, lease);
        if (await unless('containerd.already_exists', created)) return;
        const digest = await targetOf(image.name);
        if (digest === image.target.digest) return;
        if (digest !== undefined) {
          const predecessor = `${lease}-predecessor`;
          const made = createLease(predecessor, new Date(Date.now() + PREDECESSOR_MS));
          await unless('containerd.already_exists', made);
          const resource = { id: digest, type: 'content' };
          await call('leases.v1.Leases', 'AddResource', { id: predecessor, resource });
        }
        await call('images.v1.Images', 'Update', { image, updateMask: { paths: ['target'] } }, lease);
      },
      hasSnapshot: (key) =>
        unless('containerd.not_found', call('snapshots.v1.Snapshots', 'Stat', { snapshotter, key }, lease)),
      async takeSnapshot({ key, parent, labels }) {
        const prepared = call('snapshots.v1.Snapshots', 'Prepare', { snapshotter, key, parent, labels }, lease);
        if (!(await unless('containerd.already_exists', prepared))) return true;
        await call('snapshots.v1.Snapshots', 'Remove', { snapshotter, key }, lease);
        return false;
      },
    };
  }

  return {
    async withLease(id, expires, task) {
      await createLease(id, expires);
      try {
        await task(leased(id));
      } finally {
        await call('leases.v1.Leases', 'Delete', { id });
      }
    },
    close: () => client.close(),
  };
}

/** True once the call has succeeded, false when it failed in just this way. */
async function unless(code: string, task: Promise<unknown>): Promise<boolean> {
  try {
    await task;
    return true;
  } catch (error) {
    if (error instanceof LarderError && error.code === code) return false;
    throw error;
  }
}

function translate(call: string, error: ServiceError): LarderError {
  const name = status[error.code] ?? 'UNKNOWN';
  return new LarderError(`containerd.${name.toLowerCase()}`, `containerd, ${call}: ${error.details}`, { cause: error });
}
