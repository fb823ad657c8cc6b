/** What runs on the thread of hash-thread.ts: answers one request after the other. */
import { createHash, type Hash, hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { HashAnswer, HashRequest } from './hash-thread.ts';
import { standBack } from './priority.ts';

standBack();

const streams = new Map<number, Hash>();

function digestOf({ bytes, stream }: HashRequest): HashAnswer['digest'] {
  if (!stream) return hash('sha256', bytes, 'buffer');
  const sha256 = streams.get(stream.id) ?? createHash('sha256');
  if (stream.end) streams.delete(stream.id);
  else streams.set(stream.id, sha256);
  if (stream.end === 'closed') return undefined;
  sha256.update(bytes);
  return stream.end && sha256.digest('hex');
}

parentPort?.on('message', (request: HashRequest) => {
  parentPort?.postMessage({ id: request.id, digest: digestOf(request) } satisfies HashAnswer);
});
