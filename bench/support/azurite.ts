import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../test/support/cache-folder.ts';
import { type ChildServer, startChildServer } from '../../test/support/child-server.ts';
import { freePort } from '../../test/support/free-port.ts';
import { run } from '../../test/support/run.ts';
import { SERVER_CORE } from './run-load.ts';

const AZURITE_VERSION = '3.37.0';
/** The account and key that every Azurite has; they are in its documentation. */
const ACCOUNT = 'devstoreaccount1';
const KEY = Buffer.from(
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  'base64',
);
const API_VERSION = '2023-11-03';
const CONTAINER = 'bench';

export type Azurite = { readonly port: number; readonly pid: number; stop(): Promise<void> };

/** Azurite's blob service on the server's core, installed into the cache folder the first time. It needs no build steps. */
export async function startAzurite(directory: string): Promise<Azurite> {
  const home = join(cacheFolder(), `azurite-${AZURITE_VERSION}`);
  const main = join(home, 'node_modules/azurite/dist/src/blob/main.js');
  if (!existsSync(main)) {
    await mkdir(home, { recursive: true });
    const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', home];
    await run('npm', ['install', ...flags, `azurite@${AZURITE_VERSION}`]);
  }
  const port = await freePort();
  const flags = ['--silent', '--disableTelemetry', '--location', directory, '--blobHost', '127.0.0.1'];
  const server: ChildServer = await startChildServer({
    command: 'taskset',
    args: ['-c', SERVER_CORE, process.execPath, main, ...flags, '--blobPort', String(port)],
    readyUrl: `http://127.0.0.1:${port}/`,
  });
  return { port, pid: server.pid, stop: () => server.kill() };
}

/** Makes a container with empty blobs, and gives back signed requests for pages of it, beginning at places all over it. */
export async function listBlobsRequests(
  azurite: Azurite,
  { blobs, pageSize, places }: { blobs: number; pageSize: number; places: number },
): Promise<string[]> {
  await call(azurite, { method: 'PUT', path: `/${CONTAINER}`, query: { restype: 'container' } });
  for (let number = 0; number < blobs; number++) {
    await call(azurite, { method: 'PUT', path: `/${CONTAINER}/blob-${String(number).padStart(6, '0')}`, query: {} });
  }
  const list = { restype: 'container', comp: 'list', maxresults: String(pageSize) };
  const markers: string[] = [''];
  for (let marker = ''; ; ) {
    const text = await call(azurite, {
      method: 'GET',
      path: `/${CONTAINER}`,
      query: { ...list, ...(marker ? { marker } : {}) },
    });
    marker = /<NextMarker>([^<]+)<\/NextMarker>/.exec(text)?.[1] ?? '';
    if (marker === '') break;
    markers.push(marker);
  }
  return Array.from({ length: places }, (_, place) => {
    const marker = markers[Math.floor((place * markers.length) / places)] ?? '';
    const query = { ...list, ...(marker ? { marker } : {}) };
    const { target, headers } = signShared({ method: 'GET', path: `/${CONTAINER}`, query });
    const lines = Object.entries({ host: `127.0.0.1:${azurite.port}`, ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    return `${[`GET ${target} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
  });
}

type BlobRequest = { method: 'GET' | 'PUT'; path: string; query: Readonly<Record<string, string>> };

async function call(azurite: Azurite, request: BlobRequest): Promise<string> {
  const { target, headers } = signShared(request);
  const response = await fetch(`http://127.0.0.1:${azurite.port}${target}`, { method: request.method, headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`Azurite refused ${target}: ${text.slice(0, 500)}`);
  return text;
}

/** Shared Key authorisation of the Blob service, for requests without a body. */
function signShared({ method, path, query }: BlobRequest): { target: string; headers: Record<string, string> } {
  const headers = {
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-date': new Date().toUTCString(),
    'x-ms-version': API_VERSION,
  };
  const canonicalHeaders = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonicalQuery = Object.keys(query)
    .toSorted()
    .map((name) => `\n${name}:${query[name]}`);
  // Method, eleven standard headers that are all empty, then the rest. The account stands in the path twice in the emulator.
  const text = `${method}${'\n'.repeat(12)}${canonicalHeaders.join('')}/${ACCOUNT}/${ACCOUNT}${path}${canonicalQuery.join('')}`;
  const signature = createHmac('sha256', KEY).update(text).digest('base64');
  const search = new URLSearchParams(query).toString();
  return {
    target: `/${ACCOUNT}${path}${search ? `?${search}` : ''}`,
    headers: { ...headers, authorization: `SharedKey ${ACCOUNT}:${signature}` },
  };
}
