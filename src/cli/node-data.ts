import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import envPaths from 'env-paths';
import { defaultDataDirectory, profilePath, readProfile } from '../config/index.ts';
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

/** The option of the commands that work on the layers of this machine, whoever fills the folder. */
export const LAYERS_OPTION = [
  '--data <dir>',
  "the folder with the layers, the server's or the node's (default: LARDER_DATA, LARDER_NODE_DATA, the profile's, else the node's if there is one)",
] as const;

/** The data folder with the layers of this machine: the server's where one runs under this user, else the node's. */
export async function layersDirectory(io: Io, option: string | undefined): Promise<string> {
  const named = option ?? (io.env.LARDER_DATA || io.env.LARDER_NODE_DATA);
  if (named) return resolve(named);
  const profile = await readProfile(profilePath(io.env));
  if (profile?.dataDirectory !== undefined) return profile.dataDirectory;
  const ofNode = nodeDataDirectory(io, undefined);
  return existsSync(ofNode) ? ofNode : defaultDataDirectory(io.env);
}
