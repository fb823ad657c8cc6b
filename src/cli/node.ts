import type { Command } from 'commander';
import { addGroup } from './account-command.ts';
import type { Io } from './io.ts';
import { addNodeAttach, addNodeDetach } from './node-attach.ts';
import { addNodeContainerd } from './node-containerd.ts';
import { addNodeMatch } from './node-match.ts';
import { addNodePodman } from './node-podman.ts';
import { addNodeRun } from './node-run.ts';
import { addNodeStatus } from './node-status.ts';

/** `larder node …`: what a machine that starts containers needs. One line per command. */
export function addNode(program: Command, io: Io): void {
  const group = addGroup(
    program,
    'node',
    'image caches on the machines that start containers',
    `
A node keeps the blobs of chosen caches in a data folder of its own and starts containers from them.

Examples:
  larder node run --cache web                      fetch the cache and follow its changes, as root
  larder node status                               what is there, what is on its way
  larder node attach nginx:1.27 /mnt/web           a root to start a container from`,
  );
  // One line per command of the group.
  const commands: readonly ((group: Command, io: Io) => void)[] = [
    addNodeRun,
    addNodeStatus,
    addNodeAttach,
    addNodeDetach,
    addNodeMatch,
    addNodeContainerd,
    addNodePodman,
  ];
  for (const add of commands) add(group, io);
}
