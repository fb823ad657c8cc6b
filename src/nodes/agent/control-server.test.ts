/** The agent's door: what it answers, and to whom. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { LarderError } from '../../lib/errors.ts';
import type { Agent } from './agent.ts';
import { createAgentClient } from './control-client.ts';
import { openControlServer } from './control-server.ts';
import { socketPathOf } from './data-folder.ts';

const { signal } = new AbortController();
const status = {
  DataDirectory: '/x',
  Endpoint: 'http://x',
  Pid: 1,
  StartedTime: '2026-01-01T00:00:00Z',
  Server: 'unknown' as const,
  Missing: [],
  Caches: [],
  Downloads: [],
  BlobCount: 0,
  BlobBytes: 0,
};

function agentWith(change: Partial<Agent> = {}): Agent {
  return {
    run: async () => undefined,
    runOnce: async () => undefined,
    status: async () => status,
    progress: () => [],
    attach: async ({ reference, directory }) => ({ id: 'a', directory, snapshotId: 's-1', reference, layers: [] }),
    detach: async (directory) => ({ directory }),
    ...change,
  };
}

async function open(t: TestContext, change: Partial<Agent> = {}): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'larder-door-'));
  await writeFile(socketPathOf(data), 'what a dead agent left');
  const close = await openControlServer(socketPathOf(data), agentWith(change), signal);
  t.after(async () => {
    await close();
    await assert.rejects(stat(socketPathOf(data)), { code: 'ENOENT' });
    await rm(data, { recursive: true });
  });
  return data;
}

function send(data: string, method: string, path: string, body = ''): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socketPathOf(data), method, path }, (answer) => {
      text(answer).then((said) => resolve({ status: answer.statusCode ?? 0, body: said }), reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

test('status, attach and detach; only for its user', async (t) => {
  const data = await open(t);
  assert.equal((await stat(socketPathOf(data))).mode & 0o777, 0o600);
  const client = createAgentClient(data, signal);
  assert.deepEqual(await client.status(), status);
  assert.deepEqual(await client.attach('nginx:1', '/mnt/x'), {
    SnapshotId: 's-1',
    Image: 'nginx:1',
    Directory: '/mnt/x',
  });
  assert.deepEqual(await client.detach('/mnt/x'), { Directory: '/mnt/x' });
});

test('an error keeps its code and message', async (t) => {
  const failure = new LarderError('nodes.busy', 'somebody uses it');
  const data = await open(t, { detach: () => Promise.reject(failure) });
  await assert.rejects(createAgentClient(data, signal).detach('/x'), {
    code: 'nodes.busy',
    message: 'somebody uses it',
  });
});

test('what it does not understand is refused', async (t) => {
  const data = await open(t);
  const bad: [string, string, string?][] = [
    ['GET', '/nothing'],
    ['POST', '/status'],
    ['POST', '/attach', 'no json'],
    ['POST', '/attach', '{"Reference":"x","Directory":"relative"}'],
    ['POST', '/detach', '{"Directory":"/x","Force":true}'],
    ['POST', '/detach', JSON.stringify({ Directory: `/${'x'.repeat(70_000)}` })],
  ];
  for (const [method, path, body] of bad) {
    const answer = await send(data, method, path, body);
    assert.deepEqual([answer.status, JSON.parse(answer.body).Code], [400, 'agent.bad-request'], `${method} ${path}`);
  }
});

test('no agent, and a path that no socket can have', async () => {
  const client = createAgentClient('/nonexistent', signal);
  await assert.rejects(client.status(), { code: 'agent.not-running', message: /larder node run/ });
  await assert.rejects(openControlServer(`/${'x'.repeat(120)}`, agentWith(), signal), { code: 'agent.socket' });
});
