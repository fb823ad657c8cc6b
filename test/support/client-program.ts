import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Key } from '../conformance/client.ts';

const CALL_TIMEOUT_MS = 30_000;
const MAX_LOG_CHARS = 1 << 16;

/** A call by one of the vendor's SDKs; the programs in test/clients say what `client` may be. */
export type ProgramCall = {
  client: string;
  endpoint: string;
  regionId: string;
  key: Key;
  action: string;
  /** By their names on the wire. */
  fields: object;
};

/** What the SDK threw, as its own getters show it; what it has none for is not there. */
export class ClientRefusal extends Error {
  /** The SDK's own type. */
  declare readonly type: string;
  declare readonly status?: number;
  declare readonly code?: string;
  declare readonly requestId?: string;
  declare readonly recommend?: string;
  declare readonly retryAfter?: number;
  declare readonly accessDeniedDetail?: Readonly<Record<string, unknown>>;

  constructor({ message, ...fields }: { message: string }) {
    super(message);
    Object.assign(this, fields);
  }
}

export type ClientProgram = {
  /** The answer as the SDK decoded it; throws {@link ClientRefusal}. */
  call<T>(call: ProgramCall): Promise<T>;
  close(): Promise<void>;
};

type Waiting = { resolve: (line: string) => void; reject: (error: Error) => void };

/** A program of test/clients, started with the first call, or with the next when it has ended: it takes calls on lines of JSON and answers each on a line. */
export function clientProgram(command: string, args: readonly string[] = []): ClientProgram {
  let child: ChildProcess | undefined;
  let log = '';
  const waiting: Waiting[] = [];

  function start(): ChildProcess {
    // The server is on this machine, whatever the environment says of proxies.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name)));
    const started = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: started.stdout }).on('line', (line) => waiting.shift()?.resolve(line));
    started.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-MAX_LOG_CHARS);
    });
    const fail = (why: string) => {
      if (child === started) child = undefined;
      for (const { reject } of waiting.splice(0)) reject(new Error(`${command} ${why}:\n${log}`));
    };
    started.on('error', (error) => fail(error.message));
    started.on('close', (code) => fail(`ended with ${code}`));
    // Its end rejects the calls; a pipe that breaks before says no more.
    started.stdin.on('error', () => {});
    return started;
  }

  return {
    async call<T>(call: ProgramCall): Promise<T> {
      child ??= start();
      const timeout = setTimeout(() => child?.kill('SIGKILL'), CALL_TIMEOUT_MS);
      try {
        const line = await new Promise<string>((resolve, reject) => {
          waiting.push({ resolve, reject });
          child?.stdin?.write(`${JSON.stringify(call)}\n`);
        });
        const { answer, error } = JSON.parse(line);
        if (error !== undefined) throw new ClientRefusal(error);
        return answer;
      } finally {
        clearTimeout(timeout);
      }
    },
    async close() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.stdin?.end();
      await closed;
    },
  };
}
