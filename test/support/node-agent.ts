import { join } from 'node:path';
import { type AgentClient, createAgentClient } from '../../src/nodes/agent/index.ts';
import { ACCESS_KEY, REGION_ID } from './larder-server.ts';
import { type Restartable, restartable } from './restartable.ts';
import { toolEnvironment } from './run.ts';
import { until } from './until.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

export type NodeAgent = Restartable & {
  /** Talks to it through its socket. */
  client: AgentClient;
  /** Waits until it has all blobs of an image. */
  untilLocal(reference: string): Promise<void>;
};

/** `larder node run --all` as a real child process, ready once the server has answered it. */
export function createNodeAgent({ endpoint, data }: { endpoint: string; data: string }): NodeAgent {
  const client = createAgentClient(data, new AbortController().signal);
  const env: NodeJS.ProcessEnv = {
    ...toolEnvironment(),
    LARDER_ENDPOINT: `http://${endpoint}`,
    LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
    LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
    LARDER_REGION: REGION_ID,
  };
  const status = () => client.status().catch(() => undefined);
  const isReady = async () => (await status())?.Server === 'reachable';
  const args = [MAIN, 'node', 'run', '--all', '--interval', '1', '--data', data];
  const child = restartable(process.execPath, args, isReady, env);
  return {
    ...child,
    client,
    untilLocal: (reference) =>
      until(
        `${reference} on the node`,
        async () =>
          (await status())?.Caches.some(({ Images, State }) => State === 'local' && Images.includes(reference)) ??
          false,
        () => child.log(),
      ),
  };
}
