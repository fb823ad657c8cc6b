import { request as sendRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { errorCode, LarderError } from '../../lib/errors.ts';
import { type AgentStatus, agentStatusSchema } from './agent-status.ts';
import { socketPathOf } from './data-folder.ts';

/** Longer than the slowest attach, 500 layers on loop devices. */
const TIMEOUT_MS = 120_000;

const attachedSchema = z.object({ SnapshotId: z.string(), Image: z.string(), Directory: z.string() });
const detachedSchema = z.object({ Directory: z.string() });
const errorSchema = z.object({ Code: z.string(), Message: z.string() });

/** The agent that runs on a data folder of this machine. Every call throws `agent.not-running`, or the agent's own error. */
export type AgentClient = {
  status(): Promise<AgentStatus>;
  attach(
    reference: string,
    directory: string,
    options?: { writable?: boolean },
  ): Promise<z.infer<typeof attachedSchema>>;
  detach(directory: string): Promise<z.infer<typeof detachedSchema>>;
};

export function createAgentClient(dataDirectory: string, signal: AbortSignal): AgentClient {
  async function ask<T>(route: string, schema: z.ZodType<T>, body?: object): Promise<T> {
    const answer = await exchange(dataDirectory, { route, body: body ? JSON.stringify(body) : '', signal });
    const value: unknown = JSON.parse(answer.body);
    if (answer.status === 200) return schema.parse(value);
    const { Code, Message } = errorSchema.parse(value);
    throw new LarderError(Code, Message);
  }
  return {
    status: () => ask('GET /status', agentStatusSchema),
    attach: (Reference, Directory, { writable } = {}) =>
      ask('POST /attach', attachedSchema, { Reference, Directory, ...(writable ? { Writable: true } : {}) }),
    detach: (Directory) => ask('POST /detach', detachedSchema, { Directory }),
  };
}

function exchange(
  dataDirectory: string,
  { route, body, signal }: { route: string; body: string; signal: AbortSignal },
): Promise<{ status: number; body: string }> {
  const [method, path] = route.split(' ');
  return new Promise((resolve, reject) => {
    const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const options = { socketPath: socketPathOf(dataDirectory), method, path, signal: either, agent: false };
    const request = sendRequest(options, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    });
    request.once('error', (error) => {
      const code = errorCode(error);
      if (code !== 'ENOENT' && code !== 'ECONNREFUSED' && code !== 'EACCES') return reject(error);
      const hint =
        code === 'EACCES'
          ? 'it belongs to another user: use sudo'
          : 'start it with: larder node run, or name its folder with --data';
      const message = `no agent answers for ${dataDirectory}; ${hint}`;
      return reject(new LarderError('agent.not-running', message, { cause: error }));
    });
    request.end(body);
  });
}
