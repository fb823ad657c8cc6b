import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { standBack } from './priority.ts';

test('a child stands back, and one that has ended does no harm', async () => {
  const child = spawn('cat');
  const pid = child.pid ?? 0;
  standBack(pid);
  assert.equal(getPriority(pid), getPriority() + 5);
  child.stdin.end();
  await once(child, 'close');
  standBack(pid);
});

test('a thread stands back, and its process does not', { skip: process.platform !== 'linux' }, async () => {
  const before = getPriority();
  const script = `
    import { getPriority } from 'node:os';
    import { parentPort } from 'node:worker_threads';
    import { standBack } from ${JSON.stringify(new URL('./priority.ts', import.meta.url).href)};
    standBack();
    parentPort.postMessage(getPriority());
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
  const [priority] = await once(worker, 'message');
  await worker.terminate();
  assert.equal(priority, before + 5);
  assert.equal(getPriority(), before);
});
