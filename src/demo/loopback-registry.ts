import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AssembledImage, RegistryBlob } from './assemble-image.ts';

export type LoopbackRegistry = {
  /** `127.0.0.1:port` */
  host: string;
  close(): Promise<void>;
};

/** The pull half of the OCI distribution API for one image, on a free loopback port: GET and HEAD, with ranges for resuming. */
export async function startLoopbackRegistry(
  image: AssembledImage,
  options: { repository: string; tag: string },
): Promise<LoopbackRegistry> {
  const prefix = `/v2/${options.repository}`;
  const routes = new Map<string, RegistryBlob>([
    [`${prefix}/manifests/${options.tag}`, image.manifest],
    [`${prefix}/manifests/${image.manifest.digest}`, image.manifest],
    ...image.blobs.map((blob): [string, RegistryBlob] => [`${prefix}/blobs/${blob.digest}`, blob]),
  ]);
  const server = createServer((request, response) => {
    const blob = routes.get(request.url ?? '');
    if (blob) sendBlob(request, response, blob);
    else response.writeHead(request.url === '/v2/' ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('a listening server has an address');
  return {
    host: `127.0.0.1:${address.port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function sendBlob(request: IncomingMessage, response: ServerResponse, blob: RegistryBlob): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= blob.bytes) {
    response.writeHead(416, { 'content-range': `bytes */${blob.bytes}` }).end();
    return;
  }
  response.writeHead(start > 0 ? 206 : 200, {
    'content-type': blob.mediaType,
    'content-length': blob.bytes - start,
    'docker-content-digest': blob.digest,
    'accept-ranges': 'bytes',
    ...(start > 0 ? { 'content-range': `bytes ${start}-${blob.bytes - 1}/${blob.bytes}` } : {}),
  });
  if (request.method === 'HEAD') response.end();
  else if (blob.path === undefined) response.end(blob.content?.subarray(start));
  else {
    const file = createReadStream(blob.path, { start });
    file.on('error', () => response.destroy());
    response.on('close', () => file.destroy());
    file.pipe(response);
  }
}
