import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { addAccount } from './account.ts';
import { addAudit } from './audit.ts';
import { addBackup } from './backup.ts';
import { addCheck } from './check.ts';
import { addCreate } from './create.ts';
import { addDelete } from './delete.ts';
import { addDemo } from './demo.ts';
import { addDescribe } from './describe.ts';
import { addGc } from './gc.ts';
import type { Io } from './io.ts';
import { addList } from './list.ts';
import { addMount, addUmount } from './mount.ts';
import { addNode } from './node.ts';
import { addQuota } from './quota.ts';
import { addRestore } from './restore.ts';
import { addRootfs } from './rootfs.ts';
import { addScrub } from './scrub.ts';
import { addServe } from './serve.ts';
import { addTag, addUntag } from './tag.ts';
import { addUpdate } from './update.ts';

/** The `larder` command. Nothing heavy is imported before a command runs. */
export function createProgram(io: Io): Command {
  const program = new Command('larder')
    .description('Self-hosted image caches for containers, with the API of ECI image caches.')
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .showHelpAfterError('Run it with --help for usage and examples.')
    .addHelpText(
      'after',
      `
First steps:
  larder demo                                   see the whole job done, on a temporary folder
  larder serve                                  run the service; prints a key at its first start
  larder create web --image nginx:1.27 --wait   then, in another terminal
  larder mount imc-… nginx:1.27 /mnt/web

Clients find the server by LARDER_ENDPOINT, LARDER_ACCESS_KEY_ID, LARDER_ACCESS_KEY_SECRET and LARDER_REGION, else by the
ALIBABA_CLOUD_* names, else by the profile that serve wrote for the same user.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`,
    );
  for (const add of [
    addServe,
    addCreate,
    addList,
    addDescribe,
    addUpdate,
    addTag,
    addUntag,
    addDelete,
    addQuota,
    addMount,
    addUmount,
    addRootfs,
    addNode,
    addAccount,
    addAudit,
    addGc,
    addScrub,
    addCheck,
    addBackup,
    addRestore,
    addDemo,
  ])
    add(program, io);
  return program;
}
