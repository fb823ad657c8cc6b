import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Io } from './io.ts';
import { addNodeDataOption, nodeDataDirectory } from './node-data.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

type Options = { data?: string; output: OutputFormat };

export function addNodeAttach(group: Command, io: Io): void {
  const command = group
    .command('attach <ref> <dir>')
    .description('mount an image of a local image cache, through the running agent')
    .option('--rw', 'writable: what is written goes with the detach');
  addOutputOption(addNodeDataOption(command))
    .addHelpText(
      'after',
      `
DIR is made where there is none. An image that is not here is looked up on the server, to say which cache holds it.

Example:
  larder node attach nginx:1.27 /mnt/web`,
    )
    .action(async (reference: string, directory: string, options: Options & { rw?: true }) => {
      const agent = await agentOf(io, options);
      const attached = await agent.attach(reference, resolve(directory), { writable: options.rw === true });
      if (options.output === 'json') printJson(io, attached);
      else
        printLine(
          io,
          `${attached.Image} is mounted at ${attached.Directory}; undo with: larder node detach ${directory}`,
        );
    });
}

export function addNodeDetach(group: Command, io: Io): void {
  const command = group.command('detach <dir>').description('undo node attach');
  addOutputOption(addNodeDataOption(command))
    .addHelpText('after', '\nExample:\n  larder node detach /mnt/web')
    .action(async (directory: string, options: Options) => {
      const agent = await agentOf(io, options);
      const detached = await agent.detach(resolve(directory));
      if (options.output === 'json') printJson(io, detached);
      else printLine(io, `${detached.Directory} is unmounted`);
    });
}

async function agentOf(io: Io, { data }: Options) {
  const { createAgentClient } = await import('../nodes/agent/index.ts');
  return createAgentClient(nodeDataDirectory(io, data), io.signal);
}
