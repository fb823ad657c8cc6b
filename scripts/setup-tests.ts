/**
 * Gets what the tests need from the operating system; `npm test` runs it first. As root on Debian (or a relative with
 * apt-get) it installs the packages that are missing, and fetches the containerd of Debian's next release; elsewhere it says
 * what is missing and what that skips. Everywhere it fetches the vendor's SDKs for other languages. With CI=true what can't be
 * had is a failure, because there a skipped test would hide a fault.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NEXT_SUITE, OTHER_BINARIES } from '../test/support/containerd-releases.ts';
import { buildGoClient, fetchPythonClients } from './fetch-clients.ts';
import { fetchNextContainerd } from './fetch-containerd.ts';
import { TEST_PACKAGES, type TestPackage } from './setup-packages.ts';

/** apt-get waits this long for another package manager to finish before it gives up. */
const APT_LOCK_TIMEOUT_SECONDS = 120;
const INSTALL_TIMEOUT_MS = 15 * 60_000;
const CHECK_TIMEOUT_MS = 10_000;

/** Folders of administration tools, which are not on every user's PATH. */
const EXTRA_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

function isInstalled({ provides, check }: TestPackage): boolean {
  if (provides.startsWith('/')) return existsSync(provides);
  const folders = [...(process.env.PATH ?? '').split(':'), ...EXTRA_FOLDERS];
  if (!folders.some((folder) => folder !== '' && existsSync(join(folder, provides)))) return false;
  return check === undefined || spawnSync(provides, check, { timeout: CHECK_TIMEOUT_MS }).status === 0;
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

function setUpPackages(canInstall: boolean): void {
  let missing = TEST_PACKAGES.filter((entry) => !isInstalled(entry));
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
  failInCi(`could not get ${missing.map(({ name }) => name).join(', ')}`);
}

/** Only fetched, for tests to run it from the cache folder; see fetch-containerd.ts. */
async function setUpNextContainerd(canInstall: boolean): Promise<void> {
  if (OTHER_BINARIES !== undefined) return;
  try {
    if (!canInstall) throw new Error('that takes root, and apt-get');
    await fetchNextContainerd();
    console.log(`setup: containerd of Debian ${NEXT_SUITE} is there`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.log(`setup: no containerd of Debian ${NEXT_SUITE}; skipped: tests with containerd 2.x. ${reason.trim()}`);
    console.log('setup: has that suite another name now? It stands in test/support/containerd-releases.ts;');
    console.log('setup: LARDER_TEST_CONTAINERD names a folder with another containerd to test with');
    failInCi(`could not get containerd of Debian ${NEXT_SUITE}`);
  }
}

/** The vendor's SDKs in other languages, from the registries of those languages; see fetch-clients.ts. */
async function setUpClient(language: string, fetch: () => Promise<void>): Promise<void> {
  try {
    await fetch();
    console.log(`setup: the vendor's SDKs for ${language} are there`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.log(`setup: no SDKs for ${language}; skipped: tests with them. ${reason.trim()}`);
    failInCi(`could not get the SDKs for ${language}`);
  }
}

function failInCi(reason: string): void {
  if (!process.env.CI) return;
  console.error(`setup: CI needs everything; ${reason}`);
  process.exitCode = 1;
}

const canInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
setUpPackages(canInstall);
await setUpNextContainerd(canInstall);
await setUpClient('Go', buildGoClient);
await setUpClient('Python', fetchPythonClients);
