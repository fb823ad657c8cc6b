import { setTimeout as sleep } from 'node:timers/promises';
import { LarderError } from '../lib/errors.ts';
import type { Descriptor, ImageReference } from '../oci/index.ts';
import { type Connection, sizeMismatch } from './documents.ts';
import { type Endpoint, repositoryAt } from './endpoint.ts';
import { failureOf, judge, registryError, translateNetworkError } from './errors.ts';
import type { DownloadPolicy } from './settings.ts';
import { type Answer, readErrorText } from './transport.ts';

export type DownloadOptions = {
  readonly signal: AbortSignal;
  /** Called with the bytes of the layer that have arrived so far. */
  readonly onBytes?: (downloaded: number) => void;
};

/**
 * The bytes of a layer as the registry holds them, exactly `descriptor.size` of them, or an error. After a cut, a stall, a
 * slow drip or a busy server the download goes on from the byte it had reached; where a mirror failed, at the next one, and
 * at last at the registry. The digest is for the reader to check: it hashes the bytes while it inflates them. Each chunk is
 * valid until the next is asked for.
 */
export async function* downloadLayer(
  connection: Connection,
  layer: { reference: ImageReference; descriptor: Descriptor },
  { signal, onBytes }: DownloadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { retry, download, log, timeouts, clock } = connection.settings;
  const { digest, size } = layer.descriptor;
  const deadlineMs = clock.now() + timeouts.layerMs;
  const { registry } = layer.reference;
  let received = 0;
  let failures = 0;
  let receivedAtFailure = 0;
  const tried = new Set<Endpoint>();
  for (;;) {
    const [mirror] = untried(connection.mirrors.of(registry, digest), tried);
    try {
      const endpoint = mirror ?? (await connection.endpointOf(registry, signal));
      const { answer, skip } = await openAt(connection, layer, { endpoint, received, signal });
      if (mirror) connection.mirrors.gave(digest);
      for await (const chunk of readChunks(answer, { skip, connection, signal })) {
        received += chunk.byteLength;
        if (received > size) throw sizeMismatch(`${answer.host} sends more than the ${size} bytes the manifest says`);
        onBytes?.(received);
        yield chunk;
        if (received < size && clock.now() > deadlineMs) throw tooLong(answer.host, timeouts.layerMs);
      }
      if (received === size) return;
      throw registryError('registry.interrupted', `${answer.host} ended the layer early`);
    } catch (error) {
      signal.throwIfAborted();
      if (mirror) {
        tried.add(mirror);
        connection.mirrors.failed(mirror, error);
        continue;
      }
      const verdict = clock.now() > deadlineMs ? { retry: false as const } : judge(error);
      if (received === size && verdict.retry) return;
      if (received - receivedAtFailure >= download.progressBytes) failures = 0;
      receivedAtFailure = received;
      failures++;
      if (!verdict.retry || failures >= retry.attempts) throw withPosition(error, received, size);
      const delayMs = Math.min(verdict.delayMs ?? retry.baseDelayMs * 2 ** (failures - 1), retry.maxDelayMs);
      log?.warn(
        { err: error, layer: digest, received, size, failures, delayMs },
        'layer download interrupted, resuming',
      );
      await sleep(delayMs, undefined, { signal });
    }
  }
}

function untried(mirrors: readonly Endpoint[], tried: ReadonlySet<Endpoint>): readonly Endpoint[] {
  return mirrors.filter((mirror) => !tried.has(mirror));
}

/** Asks for the layer from byte `received` on; `skip` is how many bytes of the answer are there already. */
async function openAt(
  connection: Connection,
  { reference, descriptor }: { reference: ImageReference; descriptor: Descriptor },
  { endpoint, received, signal }: { endpoint: Endpoint; received: number; signal: AbortSignal },
): Promise<{ answer: Answer; skip: number }> {
  const { digest, size } = descriptor;
  const headers: Record<string, string> = received > 0 ? { range: `bytes=${received}-` } : {};
  const answer = await connection.sessions({
    endpoint,
    repository: repositoryAt(endpoint, reference.repository),
    path: `blobs/${digest}`,
    headers,
    isLarge: size - received >= connection.settings.download.ownConnectionBytes,
    signal,
  });
  const { status, host, foreign } = answer;
  try {
    if (answer.headers['content-encoding'] !== undefined && answer.headers['content-encoding'] !== 'identity') {
      throw registryError('registry.invalid-response', `${host} packs the layer once more, which was not asked for`);
    }
    if (status === 206 && received > 0) {
      checkRange(answer, received, size);
      return { answer, skip: 0 };
    }
    if (status === 200) {
      const length = answer.headers['content-length'];
      if (length !== undefined && Number(length) !== size) {
        throw sizeMismatch(`the layer should have ${size} bytes, ${host} announces ${length.slice(0, 20)}`);
      }
      return { answer, skip: received };
    }
    if (status === 416) throw sizeMismatch(`${host} has no byte ${received} of the layer, which should have ${size}`);
    const body = await readErrorText(answer);
    const context = {
      host,
      foreign,
      subject: `layer ${digest} of ${reference.repository}`,
      nowMs: connection.settings.clock.now(),
    };
    throw failureOf({ status, retryAfter: answer.headers['retry-after'], body }, context);
  } catch (error) {
    answer.body.destroy();
    throw error;
  }
}

function checkRange(answer: Answer, received: number, size: number): void {
  const range = answer.headers['content-range'];
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(typeof range === 'string' ? range : '');
  if (match === null || Number(match[1]) !== received) {
    throw registryError(
      'registry.invalid-response',
      `${answer.host} was asked for bytes from ${received} on and sends others`,
    );
  }
  if (match[3] !== '*' && Number(match[3]) !== size) {
    throw sizeMismatch(`the layer should have ${size} bytes, ${answer.host} says ${match[3]?.slice(0, 20)}`);
  }
}

/** The body without its first `skip` bytes, in the chunks that the socket gave; ends what is too slow to be alive. */
async function* readChunks(
  answer: Answer,
  { skip, connection, signal }: { skip: number; connection: Connection; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const { clock, download } = connection.settings;
  const chunks = answer.body[Symbol.asyncIterator]();
  const checkSpeed = createSpeedCheck(download, answer.host);
  let left = skip;
  try {
    for (;;) {
      const startedMs = clock.now();
      const next = await chunks.next();
      if (next.done) return;
      const chunk = next.value;
      checkSpeed(chunk.byteLength, clock.now() - startedMs);
      if (left >= chunk.byteLength) left -= chunk.byteLength;
      else {
        yield left > 0 ? chunk.subarray(left) : chunk;
        left = 0;
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw translateBodyError(error, answer.host);
  } finally {
    answer.body.destroy();
  }
}

/** Counts only the time that we waited for the server, so that a slow reader is not taken for a slow registry. */
function createSpeedCheck(policy: DownloadPolicy, host: string): (bytes: number, waitedMs: number) => void {
  let windowMs = 0;
  let windowBytes = 0;
  return (bytes, waitedMs) => {
    windowMs += waitedMs;
    windowBytes += bytes;
    if (windowMs < policy.slowWindowMs) return;
    if (windowBytes < policy.minBytes) {
      throw registryError(
        'registry.timeout',
        `${host} is too slow: ${windowBytes} bytes in ${Math.round(windowMs)} ms (limit slowMinBytes)`,
      );
    }
    windowMs = 0;
    windowBytes = 0;
  };
}

/** Once the body has begun, everything but a time-out is a cut: resuming shows whether there is more to it. */
function translateBodyError(error: unknown, host: string): LarderError {
  const translated = translateNetworkError(error, host);
  if (error instanceof LarderError || translated.code === 'registry.timeout') return translated;
  return registryError('registry.interrupted', `${host} cut the connection`, { cause: error, facts: translated.facts });
}

function tooLong(host: string, layerMs: number): LarderError {
  return registryError(
    'registry.timeout',
    `${host} is too slow: the layer takes longer than ${layerMs} ms (limit layerMs)`,
  );
}

/** The same error, and how far the download was. */
function withPosition(error: unknown, received: number, size: number): unknown {
  if (!(error instanceof LarderError)) return error;
  return new LarderError(error.code, `${error.message}, after ${received} of ${size} bytes`, {
    cause: error.cause,
    facts: { ...error.facts, receivedBytes: received, totalBytes: size },
  });
}
