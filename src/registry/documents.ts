import { createHash } from 'node:crypto';
import { type Digest, digestOfHex } from '../lib/digest.ts';
import type { LarderError } from '../lib/errors.ts';
import { withRetry } from '../lib/retry.ts';
import { type ImageReference, limitExceeded } from '../oci/index.ts';
import { type Endpoint, repositoryAt } from './endpoint.ts';
import { failureOf, judge, registryError } from './errors.ts';
import type { Mirrors } from './mirrors.ts';
import type { Sessions } from './sessions.ts';
import type { RegistrySettings } from './settings.ts';
import { readBody, readErrorText } from './transport.ts';

/** What the parts of a client share. */
export type Connection = {
  readonly settings: RegistrySettings;
  readonly sessions: Sessions;
  readonly mirrors: Mirrors;
  endpointOf(registry: string, signal: AbortSignal): Promise<Endpoint>;
};

export type DocumentRequest = {
  readonly reference: ImageReference;
  readonly path: string;
  readonly accept: string;
  /** `manifest 1.25 of team/app`, for messages. */
  readonly subject: string;
  readonly limit: { readonly name: string; readonly maxBytes: number };
  /** What the document must be, where that is known. */
  readonly digest?: Digest | undefined;
  readonly size?: number;
  /** Throws when the document is not what it should be: then a mirror is not the last to be asked. */
  readonly check: (bytes: Uint8Array, mediaType: string | undefined) => unknown;
};

export type RegistryDocument = {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** Lower case, without parameters. */
  readonly mediaType: string | undefined;
};

/**
 * Reads a manifest or config as a whole, checked against its digest and size, each attempt within `documentMs`: each mirror
 * once, then the registry, with retries.
 */
export async function fetchDocument(
  connection: Connection,
  request: DocumentRequest,
  signal: AbortSignal,
): Promise<RegistryDocument> {
  const { settings } = connection;
  const { limit, size, subject } = request;
  if (size !== undefined && size > limit.maxBytes)
    throw limitExceeded(limit.name, limit.maxBytes, `bytes of ${subject}`);
  const attempt = async (mirror?: Endpoint) => {
    const deadline = AbortSignal.timeout(settings.timeouts.documentMs);
    try {
      const either = AbortSignal.any([signal, deadline]);
      const endpoint = mirror ?? (await connection.endpointOf(request.reference.registry, either));
      return await fetchOnce(connection, { ...request, endpoint }, either);
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.aborted) throw error;
      const message = `${mirror?.registry ?? request.reference.registry} is too slow: ${subject} took longer than ${settings.timeouts.documentMs} ms (limit documentMs)`;
      throw registryError('registry.timeout', message, { cause: error });
    }
  };
  for (const mirror of connection.mirrors.of(request.reference.registry)) {
    try {
      return await attempt(mirror);
    } catch (error) {
      signal.throwIfAborted();
      connection.mirrors.failed(mirror, error);
    }
  }
  return withRetry(() => attempt(), {
    policy: settings.retry,
    signal,
    judge(error) {
      const verdict = judge(error);
      if (verdict.retry) settings.log?.warn({ err: error, subject }, 'registry request failed, trying again');
      return verdict;
    },
  });
}

async function fetchOnce(
  connection: Connection,
  request: DocumentRequest & { readonly endpoint: Endpoint },
  signal: AbortSignal,
): Promise<RegistryDocument> {
  const { reference, path, accept, subject, limit, endpoint } = request;
  const call = {
    endpoint,
    repository: repositoryAt(endpoint, reference.repository),
    path,
    headers: { accept },
    signal,
  };
  const answer = await connection.sessions(call);
  const { status, headers, host, foreign } = answer;
  if (status !== 200) {
    const nowMs = connection.settings.clock.now();
    const body = await readErrorText(answer);
    throw failureOf({ status, retryAfter: headers['retry-after'], body }, { host, foreign, subject, nowMs });
  }
  const bytes = await readBody(answer, request.size ?? limit.maxBytes);
  if (bytes === undefined && request.size === undefined)
    throw limitExceeded(limit.name, limit.maxBytes, `bytes of ${subject}`);
  if (bytes === undefined || (request.size !== undefined && bytes.byteLength !== request.size)) {
    const got = bytes === undefined ? 'more' : `${bytes.byteLength}`;
    throw sizeMismatch(`${subject} should have ${request.size} bytes, ${host} sends ${got}`);
  }
  const digest = digestOfHex(createHash('sha256').update(bytes).digest('hex'));
  // Not every registry sends the header (distribution-spec leaves it out for some); where it does, it must be true.
  const claimed = foreign ? undefined : headers['docker-content-digest'];
  for (const expected of [request.digest, claimed]) {
    if (typeof expected !== 'string' || !expected.startsWith('sha256:') || expected === digest) continue;
    throw registryError(
      'registry.digest-mismatch',
      `the digest of ${subject} should be ${expected.slice(0, 80)}, but ${host} sends bytes of digest ${digest}`,
      {
        facts: { host, digest },
      },
    );
  }
  const mediaType = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  request.check(bytes, mediaType);
  return { bytes, digest, mediaType };
}

export function sizeMismatch(message: string): LarderError {
  return registryError('registry.size-mismatch', message);
}
