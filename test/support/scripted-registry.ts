import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { TEST_CERTIFICATE, TEST_KEY } from './registry-certificate.ts';
import { sha256, type TestImage } from './registry-image.ts';

/** What the registry does with one request instead of the right thing; what is not said stays right. */
export type Step = {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Leave out Content-Type. */
  untyped?: boolean;
  /** Close the connection after so many bytes of the body. */
  cutAfter?: number;
  /** Send so many bytes of the body, then nothing more. */
  stallAfter?: number;
  /** What stalled goes on once this settles. */
  goesOn?: Promise<void>;
  /** Take the request and never answer. */
  silent?: boolean;
  /** Send the body in pieces of so many bytes, with a pause after each. */
  drip?: { bytes: number; pauseMs: number };
  /** Answer a range request with 200 and everything. */
  ignoreRange?: boolean;
  /** Without Content-Length, chunked. */
  chunked?: boolean;
  /** 401 with this `WWW-Authenticate`, unless the request carries this `Authorization`. */
  requireAuthorization?: { challenge: string | string[]; authorization: string };
};

export type RecordedRequest = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
};

/** A step for the n-th request (from 0) that fits, or undefined for the right answer. */
export type Script = (request: RecordedRequest, n: number) => Step | undefined;

/** An OCI registry in memory on a free loopback port that misbehaves as told, and remembers what it was asked. */
export type ScriptedRegistry = {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly port: number;
  readonly origin: string;
  readonly requests: RecordedRequest[];
  /** How often this path was asked for. */
  count(path: string): number;
  putBlob(bytes: Uint8Array): void;
  /** Under its digest, and under the tags. */
  putManifest(repository: string, manifest: { bytes: Uint8Array; mediaType: string }, ...tags: string[]): void;
  putImage(repository: string, image: TestImage, ...tags: string[]): void;
  /** The script for the paths that contain this text; n counts the requests to such paths. The latest that fits decides. */
  script(pathPart: string, script: Script): void;
  /** Anything outside `/v2/`, such as a token server. */
  serve(path: string, answer: (request: RecordedRequest) => Step): void;
  [Symbol.asyncDispose](): Promise<void>;
};

type Content = { bytes: Uint8Array; mediaType: string };

export async function startScriptedRegistry(
  options: { tls?: boolean; hostname?: string } = {},
): Promise<ScriptedRegistry> {
  const { tls = false, hostname = '127.0.0.1' } = options;
  const content = new Map<string, Content>();
  const scripts: { part: string; script: Script; count: number }[] = [];
  const pages = new Map<string, (request: RecordedRequest) => Step>();
  const requests: RecordedRequest[] = [];
  const closing = new AbortController();

  async function handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await record(message);
    requests.push(request);
    const row = scripts.findLast(({ part }) => request.path.includes(part));
    const step = row?.script(request, row.count++) ?? {};
    const page = pages.get(request.path);
    if (page) return send(response, { request, step: page(request), closing: closing.signal });
    const found =
      request.path === '/v2/' ? { bytes: Buffer.from('{}'), mediaType: 'application/json' } : lookUp(request.path);
    await send(response, { request, step, content: found, closing: closing.signal });
  }

  /** Blobs are the same in every repository. */
  function lookUp(path: string): Content | undefined {
    return content.get(path.replace(/^\/v2\/.*\/blobs\//, 'blob '));
  }

  const listener = (message: IncomingMessage, response: ServerResponse) => {
    handle(message, response).catch(() => response.destroy());
  };
  const server: Server = tls
    ? createTlsServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, listener)
    : createServer(listener);
  server.listen(0, hostname.replace(/^\[|\]$/g, ''));
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  const { port } = address;
  const host = `${hostname}:${port}`;

  const registry: ScriptedRegistry = {
    host,
    port,
    origin: `${tls ? 'https' : 'http'}://${host}`,
    requests,
    count: (path) => requests.filter((request) => request.path === path).length,
    putBlob(bytes) {
      content.set(`blob ${sha256(bytes)}`, { bytes, mediaType: 'application/octet-stream' });
    },
    putManifest(repository, manifest, ...tags) {
      for (const name of [sha256(manifest.bytes), ...tags])
        content.set(`/v2/${repository}/manifests/${name}`, manifest);
    },
    putImage(repository, image, ...tags) {
      for (const blob of [image.config, ...image.layers.map(({ bytes }) => bytes)]) registry.putBlob(blob);
      registry.putManifest(repository, { bytes: image.manifest, mediaType: image.manifestMediaType }, ...tags);
    },
    script(part, script) {
      scripts.push({ part, script, count: 0 });
    },
    serve(path, answer) {
      pages.set(path, answer);
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return registry;
}

async function record(message: IncomingMessage): Promise<RecordedRequest> {
  const url = new URL(message.url ?? '/', 'http://registry');
  let body = '';
  for await (const chunk of message) body += String(chunk);
  return { method: message.method ?? '', path: url.pathname, query: url.searchParams, headers: message.headers, body };
}

type Reply = { request: RecordedRequest; step: Step; content?: Content | undefined; closing: AbortSignal };

async function send(response: ServerResponse, { request, step, content, closing }: Reply): Promise<void> {
  const wanted = step.requireAuthorization;
  if (wanted && request.headers.authorization !== wanted.authorization) {
    response.statusCode = 401;
    response.setHeader('www-authenticate', wanted.challenge);
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }));
    return;
  }
  if (step.silent) return;
  const own = step.body !== undefined || step.status !== undefined;
  if (!own && !content) {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'not here' }] }));
    return;
  }
  const whole = Buffer.from(step.body ?? (own ? '' : (content?.bytes ?? '')));
  const from = step.ignoreRange || own ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const start = Number(from ?? 0);
  if (start >= whole.byteLength && from !== undefined) {
    response.writeHead(416, { 'content-length': 0 }).end();
    return;
  }
  const body = whole.subarray(start);
  response.writeHead(step.status ?? (from === undefined ? 200 : 206), {
    ...(content && !step.untyped ? { 'content-type': content.mediaType } : {}),
    ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${whole.byteLength - 1}/${whole.byteLength}` }),
    ...(step.chunked ? {} : { 'content-length': String(body.byteLength) }),
    ...step.headers,
  });
  await sendBody(response, body, { step, closing });
}

async function sendBody(
  response: ServerResponse,
  body: Buffer,
  { step, closing }: { step: Step; closing: AbortSignal },
) {
  if (step.cutAfter !== undefined) {
    response.write(body.subarray(0, step.cutAfter), () => response.socket?.destroySoon());
  } else if (step.stallAfter !== undefined) {
    response.write(body.subarray(0, step.stallAfter));
    if (step.goesOn === undefined) return;
    await step.goesOn;
    response.end(body.subarray(step.stallAfter));
  } else if (step.drip) {
    for (let at = 0; at < body.byteLength && !response.destroyed; at += step.drip.bytes) {
      response.write(body.subarray(at, at + step.drip.bytes));
      await sleep(step.drip.pauseMs, undefined, { signal: closing });
    }
    response.end();
  } else {
    response.end(body);
  }
}
