import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../test/support/cache-folder.ts';
import { GO_CLIENT, GO_SOURCES, PYTHON, PYTHON_FOLDER, PYTHON_SOURCES } from '../test/support/language-clients.ts';
import { run } from '../test/support/run.ts';

const BUILD_TIMEOUT_MS = 10 * 60_000;
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const CHECK_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_SECONDS = 30;

/**
 * Builds the program that calls with the vendor's SDK for Go. The module, whose hash go.sum knows, and what was compiled stay
 * in the tests' cache folder. Throws with the reason.
 */
export async function buildGoClient(): Promise<void> {
  if (existsSync(GO_CLIENT)) return;
  const home = join(cacheFolder(), 'go');
  await mkdir(home, { recursive: true });
  const work = await mkdtemp(`${GO_CLIENT}-fresh-`);
  try {
    const binary = join(work, 'client');
    await run('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', binary, '.'], {
      cwd: GO_SOURCES,
      timeoutMs: BUILD_TIMEOUT_MS,
      env: {
        ...process.env,
        GOPATH: home,
        GOMODCACHE: join(home, 'modules'),
        GOCACHE: join(home, 'build'),
        // So that whoever removes the cache folder can.
        GOFLAGS: '-modcacherw -mod=readonly -buildvcs=false',
        // The one that is there, and no C compiler.
        GOTOOLCHAIN: 'local',
        CGO_ENABLED: '0',
        GOWORK: 'off',
      },
    });
    await rename(binary, GO_CLIENT);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Makes a virtual environment with the vendor's SDKs for Python: exactly what the hashes in test/clients/python allow. Throws
 * with the reason.
 */
export async function fetchPythonClients(): Promise<void> {
  if (await isPythonReady()) return;
  await rm(PYTHON_FOLDER, { recursive: true, force: true });
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(`${PYTHON_FOLDER}-fresh-`);
  try {
    await run('python3', ['-m', 'venv', work], { timeoutMs: INSTALL_TIMEOUT_MS });
    // Some SDKs come as sources only; what builds them is pinned like everything else.
    await install(work, 'requirements-build.txt');
    await install(work, 'requirements.txt', ['--no-build-isolation', '--use-pep517']);
    await rename(work, PYTHON_FOLDER);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Not so when the Python it was made with is gone. */
async function isPythonReady(): Promise<boolean> {
  if (!existsSync(PYTHON)) return false;
  const imports = 'import aliyunsdkeci, aliyunsdkcore, alibabacloud_eci20180808';
  try {
    await run(PYTHON, ['-I', '-c', imports], { timeoutMs: CHECK_TIMEOUT_MS });
    return true;
  } catch {
    return false;
  }
}

async function install(folder: string, requirements: string, options: readonly string[] = []): Promise<void> {
  const args = ['--quiet', '--no-input', '--disable-pip-version-check', '--retries=3'];
  args.push(`--timeout=${CONNECT_TIMEOUT_SECONDS}`, '--require-hashes', ...options);
  args.push('--requirement', join(PYTHON_SOURCES, requirements));
  await run(join(folder, 'bin/python'), ['-m', 'pip', 'install', ...args], { timeoutMs: INSTALL_TIMEOUT_MS });
}
