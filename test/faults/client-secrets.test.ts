/** The registry password that a client was given is in its memory no longer than its call takes: a heap dump does not show it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ACCESS_KEY, REGION_ID } from '../support/larder-server.ts';
import { buildImage } from '../support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import { until } from '../support/until.ts';
import { type Service, startService } from './support/service.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
/** V8 cuts strings of a dump short after 1,024 characters, unless told otherwise. */
const MAX_STRING_CHARS = 2 ** 20;
const TIMEOUT_MS = 120_000;

let registry: ScriptedRegistry;
let service: Service;
before(async () => {
  registry = await startScriptedRegistry();
  const layer = Buffer.concat([...writeTar([{ name: 'a', type: 'file', content: Buffer.from('a') }])]);
  registry.putImage('app', buildImage({ layers: [layer] }), '1');
  // No build of it ends: its client waits on.
  registry.script('/stalled/', () => ({ silent: true }));
  service = await startService({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
});
after(async () => {
  await service[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

/** `larder ARGS… --wait` with a password for the registry, until it waits for a build; what its heap holds then. */
async function heapOf(args: readonly string[], how: { stdin?: string; env?: NodeJS.ProcessEnv }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'larder-heap-'));
  const flags = ['--heapsnapshot-signal=SIGUSR2', `--heap-snapshot-string-limit=${MAX_STRING_CHARS}`];
  const credential = ['--image', `${registry.host}/stalled:1`, '--credential', `${registry.host}=robot`, '--wait'];
  const child = spawn(process.execPath, [...flags, `--diagnostic-dir=${folder}`, MAIN, ...args, ...credential], {
    env: {
      ...process.env,
      LARDER_ENDPOINT: service.server.endpoint,
      LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
      LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
      LARDER_REGION: REGION_ID,
      ...how.env,
    },
    stdio: 'pipe',
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  child.stdin.end(how.stdin);
  const ended = once(child, 'exit');
  try {
    const waits = () => /Preparing|Creating|Updating/.test(said);
    await until('it waits for the build', waits, () => said);
    child.kill('SIGUSR2');
    let heap = '';
    await until('the dump is written', async () => {
      const [file] = await readdir(folder);
      if (file !== undefined) heap = await readFile(join(folder, file), 'utf8');
      return heap.trimEnd().endsWith(']}');
    });
    return heap;
  } finally {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true });
  }
}

function checkHeap(heap: string, secret: string): void {
  // That it is a dump of this process, with its strings.
  assert.ok(heap.includes(ACCESS_KEY.accessKeySecret));
  const at = heap.indexOf(secret);
  assert.equal(at, -1, `the password is there: ${heap.slice(Math.max(0, at - 300), at + 100)}`);
}

test('larder create --wait, with the password from standard input', { timeout: TIMEOUT_MS }, async () => {
  const secret = randomBytes(20).toString('hex');
  checkHeap(await heapOf(['create', 'dumped'], { stdin: `${secret}+/ü\n` }), secret);
});

test('larder update --wait, with the password from LARDER_REGISTRY_PASSWORD', { timeout: TIMEOUT_MS }, async () => {
  const id = await service.create(`${registry.host}/app:1`);
  assert.equal((await service.settled(id)).Status, 'Ready');
  const secret = randomBytes(20).toString('hex');
  checkHeap(await heapOf(['update', id], { env: { LARDER_REGISTRY_PASSWORD: `${secret}+/ü` } }), secret);
});
