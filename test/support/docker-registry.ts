import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChildServer } from './child-server.ts';
import { freePort } from './free-port.ts';
import { run } from './run.ts';

export type DockerRegistry = {
  /** `127.0.0.1:PORT`, the host part of references into it. */
  host: string;
  pid: number;
  /** Its storage: blobs lie at `docker/registry/v2/blobs/sha256/<2 hex>/<hex>/data`. */
  dir: string;
  log(): string;
  /** Ends the server and keeps its storage. */
  stop(): Promise<void>;
  /** Starts it again on the same port and storage. */
  start(): Promise<void>;
  /** Ends the server and removes a storage that was made for it. */
  [Symbol.asyncDispose](): Promise<void>;
};

export type DockerRegistryOptions = {
  /** Storage that is kept; a temporary one when absent. */
  dir?: string;
  /** Ask for this name and password (HTTP Basic). */
  user?: { name: string; password: string };
};

/** Debian's docker-registry (CNCF distribution) on a free loopback port, over plain HTTP. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const work = await mkdtemp(join(tmpdir(), 'larder-registry-'));
  const dir = options.dir ?? join(work, 'data');
  await mkdir(dir, { recursive: true });
  const host = `127.0.0.1:${await freePort()}`;
  const config = join(work, 'config.yml');
  const sections = [
    'version: 0.1',
    'log: {level: warn, accesslog: {disabled: true}}',
    `storage: {filesystem: {rootdirectory: ${JSON.stringify(dir)}}, delete: {enabled: true}, redirect: {disable: true}}`,
    `http: {addr: ${JSON.stringify(host)}}`,
  ];
  if (options.user) {
    const { name, password } = options.user;
    const file = join(work, 'htpasswd');
    await writeFile(file, await run('htpasswd', ['-Bbn', name, password]));
    sections.push(`auth: {htpasswd: {realm: test, path: ${JSON.stringify(file)}}}`);
  }
  await writeFile(config, `${sections.join('\n')}\n`);

  const start = () =>
    startChildServer({ command: 'docker-registry', args: ['serve', config], readyUrl: `http://${host}/v2/` });
  let server = await start();
  return {
    host,
    dir,
    get pid() {
      return server.pid;
    },
    log: () => server.log(),
    // The registry has no orderly end of its own to wait for; its storage is safe at any instant.
    stop: () => server.kill(),
    async start() {
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      await server.kill();
      await rm(work, { recursive: true, force: true });
    },
  };
}
