import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { startChildServer } from './child-server.ts';
import { freePort } from './free-port.ts';

const SERVE = `require('node:http').createServer((_, response) => response.end()).listen(Number(process.argv[1]), '127.0.0.1')`;

test('a server on whose port another one answers is not ready', async (t) => {
  const port = await freePort();
  const other = createServer((_, response) => response.end()).listen(port, '127.0.0.1');
  t.after(() => other.closeAllConnections());
  t.after(() => other.close());
  await once(other, 'listening');
  const options = { command: process.execPath, args: ['-e', SERVE, `${port}`], readyUrl: `http://127.0.0.1:${port}/` };
  await assert.rejects(startChildServer(options), /EADDRINUSE/);
});
