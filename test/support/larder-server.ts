import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChildServer, startChildServer } from './child-server.ts';
import { freePort } from './free-port.ts';
import { run } from './run.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

export const ACCESS_KEY = { accessKeyId: 'testAccessKeyId', accessKeySecret: 'testAccessKeySecret' } as const;
export const REGION_ID = 'cn-hangzhou';

export type LarderServer = {
  /** `127.0.0.1:PORT`, as the vendor's SDKs take it: without a scheme. */
  endpoint: string;
  dataDirectory: string;
  /** A new one after every start. */
  pid: number;
  log(): string;
  /** SIGTERM; throws unless the server ends with exit code 0. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same data folder and port, after {@link stop} or {@link kill}. */
  start(): Promise<void>;
  /** Runs `larder ARGS…` as a client of this server and returns what it prints. */
  cli(...args: string[]): Promise<string>;
  /** Ends the server and removes its folders. */
  [Symbol.asyncDispose](): Promise<void>;
};

/** `larder serve` as a real child process, with a data folder of its own on the disk that holds `parent`. */
export async function startLarder(options: { env?: NodeJS.ProcessEnv; parent?: string } = {}): Promise<LarderServer> {
  const home = await mkdtemp(join(options.parent ?? tmpdir(), 'larder-server-'));
  const dataDirectory = join(home, 'data');
  const endpoint = `127.0.0.1:${await freePort()}`;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
    LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
    LARDER_REGION: REGION_ID,
    LARDER_PROFILE: join(home, 'profile.json'),
    // No credentials of whoever runs the tests.
    DOCKER_CONFIG: join(home, 'docker'),
    ...options.env,
  };
  const start = (): Promise<ChildServer> =>
    startChildServer({
      command: process.execPath,
      args: [MAIN, 'serve', '--data', dataDirectory, '--listen', endpoint],
      readyUrl: `http://${endpoint}/readyz`,
      env,
    });
  let server = await start();
  return {
    endpoint,
    dataDirectory,
    get pid() {
      return server.pid;
    },
    log: () => server.log(),
    async stop() {
      const code = await server.stop();
      if (code !== 0) throw new Error(`larder serve ended with ${code}:\n${server.log().slice(-4000)}`);
    },
    kill: () => server.kill(),
    async start() {
      server = await start();
    },
    cli: (...args) =>
      run(process.execPath, [MAIN, ...args], { env: { ...env, LARDER_ENDPOINT: `http://${endpoint}` } }),
    async [Symbol.asyncDispose]() {
      await server.kill();
      await rm(home, { recursive: true, force: true });
    },
  };
}
