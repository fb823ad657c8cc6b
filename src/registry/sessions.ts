import type { Credential } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { errorDetail, registryError } from './errors.ts';
import { type Authorization, answerChallenge, unauthorized } from './login.ts';
import { MAX_ERROR_BYTES, type RegistrySettings } from './settings.ts';
import { type Answer, type Call, readErrorText, type Transport } from './transport.ts';

export type SessionCall = {
  readonly endpoint: Endpoint;
  readonly repository: string;
  /** Below `/v2/REPOSITORY/`: `manifests/latest`, `blobs/sha256:…`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly isLarge?: Call['isLarge'];
  readonly signal: AbortSignal;
};

/** A call to a registry's API, logged in where that is asked for. Any status but the registry's own 401 is an answer. */
export type Sessions = (call: SessionCall) => Promise<Answer>;

/** Of one client; the oldest goes. */
const MAX_SESSIONS = 1000;

/** `undefined` as header: the registry was asked, and wants no login. */
type Session = { readonly header: string | undefined; readonly expiresAtMs: number };

/**
 * Keeps the tokens of a client, one for each repository of a registry (a client has one credential for a registry), and
 * fetches each only once however many downloads wait for it.
 */
export function createSessions(transport: Transport, settings: RegistrySettings, closed: AbortSignal): Sessions {
  const sessions = new Map<string, Session>();
  const underway = new Map<string, Promise<string | undefined>>();
  const credentials = new Map<string, Promise<Credential | undefined>>();

  function credentialOf({ registry }: Endpoint): Promise<Credential | undefined> {
    let credential = credentials.get(registry);
    if (!credential) {
      credential = settings.credentials(registry);
      credentials.set(registry, credential);
      credential.catch(() => credentials.delete(registry));
    }
    return credential;
  }

  function keep(key: string, session: Session): string | undefined {
    const [oldest] = sessions.keys();
    if (oldest !== undefined && sessions.size >= MAX_SESSIONS) sessions.delete(oldest);
    sessions.set(key, session);
    return session.header;
  }

  function known(key: string): Session | undefined {
    const session = sessions.get(key);
    return session && session.expiresAtMs > settings.clock.now() ? session : undefined;
  }

  /** All who need this session wait for one task, which none of them can abort for the others. */
  function once(key: string, signal: AbortSignal, task: (signal: AbortSignal) => Promise<Session>) {
    let promise = underway.get(key);
    if (!promise) {
      promise = runOnce(key, task);
      // Whoever waits gets the error; perhaps nobody does any more.
      promise.catch(() => {});
      underway.set(key, promise);
    }
    return orAbort(promise, signal);
  }

  async function runOnce(key: string, task: (signal: AbortSignal) => Promise<Session>): Promise<string | undefined> {
    const { documentMs } = settings.timeouts;
    const deadline = AbortSignal.timeout(documentMs);
    try {
      return keep(key, await task(AbortSignal.any([closed, deadline])));
    } catch (error) {
      if (!deadline.aborted) throw error;
      throw registryError('registry.timeout', `the login took longer than ${documentMs} ms (limit documentMs)`, {
        cause: error,
      });
    } finally {
      underway.delete(key);
    }
  }

  async function login(call: SessionCall, answer: Answer, signal: AbortSignal): Promise<Authorization> {
    const { endpoint, repository } = call;
    const credential = await credentialOf(endpoint);
    const challenges = answer.headers['www-authenticate'];
    try {
      return await answerChallenge({ endpoint, repository, challenges, credential, signal }, transport, settings);
    } catch (error) {
      // It may have been changed meanwhile, so the next login asks for it again.
      credentials.delete(endpoint.registry);
      throw error;
    }
  }

  /**
   * With a credential at hand the registry is asked first how to log in, as Docker does: some show an anonymous user a part
   * of their repositories and say 404 of the rest, and would never ask.
   */
  async function logInFirst(call: SessionCall, key: string): Promise<string | undefined> {
    if (!(await orAbort(credentialOf(call.endpoint), call.signal))) return undefined;
    return once(key, call.signal, async (signal) => {
      const answer = await transport(call.endpoint, { url: new URL('/v2/', call.endpoint.origin), signal });
      await discard(answer, signal);
      if (answer.status === 401 && !answer.foreign) return login(call, answer, signal);
      return { header: undefined, expiresAtMs: Number.POSITIVE_INFINITY };
    });
  }

  return async (call) => {
    const { endpoint, repository, path, headers, isLarge = false, signal } = call;
    const key = `${endpoint.origin} ${repository}`;
    const url = new URL(`/v2/${repository}/${path}`, endpoint.origin);
    const send = (header: string | undefined) =>
      transport(endpoint, {
        url,
        isLarge,
        signal,
        ...(headers ? { headers } : {}),
        ...(header === undefined ? {} : { authorization: header }),
      });

    const session = known(key);
    const header = session ? session.header : await logInFirst(call, key);
    const answer = await send(header);
    if (answer.status !== 401 || answer.foreign) return answer;
    await discard(answer, signal);
    const newer = known(key)?.header;
    const fresh =
      newer !== undefined && newer !== header
        ? newer
        : await once(key, signal, (shared) => login(call, answer, shared));
    const second = await send(fresh);
    if (second.status !== 401 || second.foreign) return second;
    sessions.delete(key);
    const credential = await credentialOf(endpoint);
    credentials.delete(endpoint.registry);
    throw unauthorized(endpoint, credential, errorDetail(await readErrorText(second)));
  };
}

/** Reads a short body to its end, so that the connection can be used again. */
async function discard(answer: Answer, signal: AbortSignal): Promise<void> {
  await answer.body.dump({ limit: MAX_ERROR_BYTES, signal });
}

async function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (abort) signal.removeEventListener('abort', abort);
  }
}
