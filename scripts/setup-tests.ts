/**
 * Gets what the tests need from the operating system; `npm test` runs it first. As root on Debian (or a relative with
 * apt-get) it installs the packages that are missing; elsewhere it says which are missing and what that skips.
 * With CI=true a package that can't be had is a failure, because there a skipped test would hide a fault.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TEST_PACKAGES, type TestPackage } from './setup-packages.ts';

/** apt-get waits this long for another package manager to finish before it gives up. */
const APT_LOCK_TIMEOUT_SECONDS = 120;
const INSTALL_TIMEOUT_MS = 15 * 60_000;

/** Folders of administration tools, which are not on every user's PATH. */
const EXTRA_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

function isInstalled({ provides }: TestPackage): boolean {
  if (provides.startsWith('/')) return existsSync(provides);
  const folders = [...(process.env.PATH ?? '').split(':'), ...EXTRA_FOLDERS];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, provides)));
}

/** Runs apt-get with its output shown; true when it succeeded. */
function aptGet(...args: string[]): boolean {
  const options = ['-q', '-o', `DPkg::Lock::Timeout=${APT_LOCK_TIMEOUT_SECONDS}`, '-o', 'Acquire::Retries=3'];
  console.log(`setup: apt-get ${args.join(' ')}`);
  const { status } = spawnSync('apt-get', [...options, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: INSTALL_TIMEOUT_MS,
    // Packages must not start their services: the tests start their own, on free ports.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  });
  return status === 0;
}

function installMissing(missing: readonly TestPackage[]): void {
  const names = missing.map(({ name }) => name);
  // Recommended packages would bring services and hundreds of megabytes that no test uses.
  if (aptGet('update')) aptGet('install', '-y', '--no-install-recommends', ...names);
}

function main(): void {
  let missing = TEST_PACKAGES.filter((entry) => !isInstalled(entry));
  const canInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (missing.length > 0 && canInstall) {
    installMissing(missing);
    missing = missing.filter((entry) => !isInstalled(entry));
  }
  if (missing.length === 0) {
    console.log(`setup: all ${TEST_PACKAGES.length} packages that the tests use are there`);
    return;
  }
  for (const { name, provides, usedFor } of missing) {
    console.log(`setup: missing ${provides} (Debian package ${name}); skipped: ${usedFor}`);
  }
  if (!canInstall) console.log('setup: as root on Debian, `npm test` installs these packages itself');
  if (process.env.CI) {
    console.error(`setup: CI needs every package; could not get ${missing.map(({ name }) => name).join(', ')}`);
    process.exitCode = 1;
  }
}

main();
