import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { describeError, errorCode, LarderError } from '../../lib/errors.ts';
import type { Agent } from './agent.ts';

const MAX_BODY_BYTES = 64 * 1024;
/** sun_path of unix(7), less the NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
/** Only the agent's user may ask it to mount things. */
const SOCKET_MODE = 0o600;
const OTHERS_MASK = 0o177;

const attachSchema = z.strictObject({
  Reference: z.string().min(1),
  Directory: z.string().startsWith('/'),
  Writable: z.boolean().optional(),
});
const detachSchema = z.strictObject({ Directory: z.string().startsWith('/') });

/**
 * The agent's door for commands on the same machine, HTTP with JSON on a unix socket of mode 0600:
 *
 *     GET  /status                                     AgentStatus
 *     POST /attach {Reference, Directory, Writable?}   {SnapshotId, Image, Directory}
 *     POST /detach {Directory}                         {Directory}
 *
 * An error is {Code, Message}, with status 400 where the request is to blame, else 500. Throws `agent.socket`.
 */
export async function openControlServer(
  socketPath: string,
  agent: Agent,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) {
    const message = `${socketPath} is too long for a socket (${MAX_SOCKET_PATH_BYTES} bytes); choose a shorter --data`;
    throw new LarderError('agent.socket', message);
  }
  // The folder's lock is ours: what lies there is a dead agent's.
  await rm(socketPath, { force: true });
  const server = createServer((request, response) => {
    answer(agent, request, signal).then(
      (body) => send(response, 200, body),
      (error: unknown) => {
        const isTheirs = errorCode(error) === 'agent.bad-request';
        send(response, isTheirs ? 400 : 500, { Code: errorCode(error) ?? 'unknown', Message: describeError(error) });
      },
    );
  });
  await listen(server, socketPath);
  await chmod(socketPath, SOCKET_MODE);
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    await closed;
    await rm(socketPath, { force: true });
  };
}

async function listen(server: Server, socketPath: string): Promise<void> {
  const mask = process.umask(OTHERS_MASK);
  try {
    // Bound before this returns, so that nobody connects before the mode is right.
    server.listen(socketPath);
  } finally {
    process.umask(mask);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', (cause) => {
      reject(new LarderError('agent.socket', `cannot listen at ${socketPath}`, { cause }));
    });
  });
}

async function answer(agent: Agent, request: IncomingMessage, signal: AbortSignal): Promise<object> {
  const route = `${request.method} ${request.url}`;
  if (route === 'GET /status') return agent.status();
  if (route === 'POST /attach') {
    const { Reference: reference, Directory, Writable: writable } = parse(attachSchema, await readBody(request));
    const {
      snapshotId,
      reference: image,
      directory,
    } = await agent.attach({ reference, directory: Directory, writable }, signal);
    return { SnapshotId: snapshotId, Image: image, Directory: directory };
  }
  if (route === 'POST /detach') {
    const { directory } = await agent.detach(parse(detachSchema, await readBody(request)).Directory, signal);
    return { Directory: directory };
  }
  throw badRequest(`no such request: ${route}`);
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_BODY_BYTES) throw badRequest(`a body has at most ${MAX_BODY_BYTES} bytes`);
  }
  return text;
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest('the body is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw badRequest(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
}

function badRequest(message: string): LarderError {
  return new LarderError('agent.bad-request', message);
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
