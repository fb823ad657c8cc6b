/** A load generator, a process of its own on a core of its own: makes all requests first, then sends them as fast as they are answered. */
import { once } from 'node:events';
import { type LoadConnection, openLoadConnection } from './load-connection.ts';
import type { LoadJob, LoadMessage, LoadResult } from './load-job.ts';
import { signCall } from './sign-calls.ts';

const SHOWN_CHARS = 300;

// The parent sends nothing else.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const [job] = (await once(process, 'message')) as [LoadJob];
const warmUp = makeRequests(job, 0, job.warmUpCalls);
const measured = makeRequests(job, job.warmUpCalls, job.calls);
const connections = await Promise.all(Array.from({ length: job.connections }, () => openLoadConnection(job.port)));
await sendAll(connections, warmUp);
tell({ type: 'begin' });
const result = await sendAll(connections, measured);
tell({ type: 'end' });
tell({ type: 'result', result });
for (const connection of connections) connection.close();
process.disconnect();

function tell(message: LoadMessage): void {
  process.send?.(message);
}

function makeRequests({ requests, port }: LoadJob, from: number, count: number): Uint8Array[] {
  if (requests.kind === 'ready') {
    const buffers = requests.texts.map((text) => Buffer.from(text));
    return Array.from({ length: count }, (_, index) => inTurn(buffers, from + index));
  }
  return Array.from({ length: count }, (_, index) => signCall(inTurn(requests.calls, from + index), requests, port));
}

function inTurn<T>(list: readonly T[], index: number): T {
  const one = list[index % list.length];
  if (one === undefined) throw new Error('no requests');
  return one;
}

async function sendAll(via: readonly LoadConnection[], requests: readonly Uint8Array[]): Promise<LoadResult> {
  const timesMs = new Float64Array(requests.length);
  let [next, bytes, failures] = [0, 0, 0];
  let [sample, firstFailure] = ['', ''];
  const run = async (connection: LoadConnection): Promise<void> => {
    for (let index = next++; index < requests.length; index = next++) {
      const request = requests[index];
      if (!request) return;
      const startedMs = performance.now();
      const exchange = await connection.send(request);
      timesMs[index] = performance.now() - startedMs;
      bytes += exchange.bytes;
      if (index === 0) sample = exchange.body();
      if (exchange.status === 200) continue;
      failures++;
      firstFailure ||= exchange.body().slice(0, SHOWN_CHARS);
    }
  };
  const startedMs = performance.now();
  await Promise.all(via.map(run));
  const seconds = (performance.now() - startedMs) / 1_000;
  timesMs.sort();
  const at = (share: number) => timesMs[Math.min(timesMs.length - 1, Math.floor(timesMs.length * share))] ?? 0;
  return {
    calls: requests.length,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    longestMs: at(1),
    bytesPerAnswer: Math.round(bytes / Math.max(1, requests.length)),
    failures,
    ...(firstFailure === '' ? {} : { firstFailure }),
    sample,
  };
}
