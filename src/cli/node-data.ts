import { resolve } from 'node:path';
import type { Command } from 'commander';
import envPaths from 'env-paths';
import type { Io } from './io.ts';

const ROOTS_FOLDER = '/var/lib/larder-node';

/** `--data` of the commands that work on a node's data folder. */
export function addNodeDataOption(command: Command): Command {
  return command.option(
    '--data <dir>',
    `the node's data folder (default: LARDER_NODE_DATA, else ${ROOTS_FOLDER} as root, else the platform's data folder)`,
  );
}

/** The node's data folder, which the agent fills. */
export function nodeDataDirectory(io: Io, option: string | undefined): string {
  const isRoot = process.getuid?.() === 0;
  return resolve(
    option ?? (io.env.LARDER_NODE_DATA || (isRoot ? ROOTS_FOLDER : envPaths('larder-node', { suffix: '' }).data)),
  );
}
