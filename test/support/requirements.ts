import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { toolEnvironment } from './run.ts';

/** What this file needs of node:test's TestContext. */
type Skippable = { skip(reason?: string): void };

/**
 * Each function is true when the test may go on. Without what it needs the test is skipped with a reason; in CI (CI=true)
 * that is a failure instead, because there a skipped test would hide a fault.
 */
function miss(t: Skippable, reason: string): false {
  if (process.env.CI) throw new Error(`CI must not skip: ${reason}`);
  t.skip(reason);
  return false;
}

export function requireRoot(t: Skippable): boolean {
  return process.getuid?.() === 0 || miss(t, 'needs root');
}

/** Commands on PATH or in the folders of administration tools, or absolute paths. */
export function requireTools(t: Skippable, tools: readonly string[]): boolean {
  const missing = tools.filter((tool) => !isExecutableOnPath(tool));
  return missing.length === 0 || miss(t, `needs ${missing.join(', ')}; run \`npm run setup:tests\` as root on Debian`);
}

/** A file system that the kernel knows, loading its module when it is not there yet. */
export function requireFilesystem(t: Skippable, name: string): boolean {
  if (kernelKnows(name)) return true;
  spawnSync('modprobe', [name], { env: toolEnvironment() });
  return kernelKnows(name) || miss(t, `needs the kernel's ${name} file system`);
}

/** The same for a whole suite: `describe(name, { skip: skipWithout({ tools: ['umoci'] }) }, …)`. */
export function skipWithout(needs: {
  root?: boolean;
  tools?: readonly string[];
  filesystems?: readonly string[];
  /** Of block devices in files: what asks the kernel for one. */
  loopDevices?: boolean;
}): string | false {
  let reason: string | false = false;
  const t: Skippable = {
    skip(text = '') {
      reason ||= text;
    },
  };
  if (needs.root) requireRoot(t);
  requireTools(t, needs.tools ?? []);
  for (const filesystem of needs.filesystems ?? []) requireFilesystem(t, filesystem);
  if (needs.loopDevices && !existsSync('/dev/loop-control')) miss(t, 'needs loop devices');
  return reason;
}

export function isExecutableOnPath(tool: string): boolean {
  return (toolEnvironment().PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(resolve(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function kernelKnows(filesystem: string): boolean {
  return readFileSync('/proc/filesystems', 'utf8')
    .split('\n')
    .some((line) => line.split('\t').at(1) === filesystem);
}
