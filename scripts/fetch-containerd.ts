import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AptSource, aptSource } from '../test/support/apt-source.ts';
import { cacheFolder } from '../test/support/cache-folder.ts';
import { containerdVersion, NEXT_CONTAINERD, NEXT_SUITE } from '../test/support/containerd-releases.ts';
import { run } from '../test/support/run.ts';

const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
const APT_TIMEOUT_MS = 5 * 60_000;
/** The first release that the tests want beside Debian 12's. */
const MIN_MAJOR = 2;

/**
 * Puts the containerd of Debian's next release into the tests' cache folder, for tests to run from there; nothing is installed.
 * apt fetches it from the machine's own mirror, with lists and sources of its own, and checks its signatures. What is there
 * already stays. Throws with the reason.
 */
export async function fetchNextContainerd(): Promise<void> {
  const { binaries } = NEXT_CONTAINERD;
  if (binaries === undefined || existsSync(binaries)) return;
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(`${binaries}-fresh-`);
  try {
    await downloadPackage(work, await sourceOfDebian());
    const [archive] = (await readdir(work)).filter((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get downloaded no package');
    await run('dpkg-deb', ['--extract', join(work, archive), join(work, 'files')]);
    const found = join(work, 'files/usr/bin');
    const { major, text } = await containerdVersion({ binaries: found });
    if (major < MIN_MAJOR) throw new Error(`it is containerd ${text}`);
    await rename(found, binaries);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function downloadPackage(work: string, { uri }: AptSource): Promise<void> {
  for (const folder of ['state/lists/partial', 'cache/archives/partial'])
    await mkdir(join(work, folder), { recursive: true });
  const [sources, status] = [join(work, 'sources.list'), join(work, 'status')];
  await writeFile(sources, `deb [signed-by=${KEYS}] ${uri} ${NEXT_SUITE} main\n`);
  await writeFile(status, '');
  const options = [
    `Dir::Etc::SourceList=${sources}`,
    'Dir::Etc::SourceParts=/dev/null',
    'Dir::Etc::Preferences=/dev/null',
    'Dir::Etc::PreferencesParts=/dev/null',
    `Dir::State=${join(work, 'state')}`,
    `Dir::State::status=${status}`,
    `Dir::Cache=${join(work, 'cache')}`,
    'APT::Sandbox::User=root',
    // Whatever the machine's own settings allow.
    'APT::Get::AllowUnauthenticated=false',
    'Acquire::AllowInsecureRepositories=false',
    // A list that can't be fetched is no mere warning.
    'APT::Update::Error-Mode=any',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
  ].flatMap((option) => ['-o', option]);
  const aptGet = (...args: string[]) =>
    run('apt-get', ['-q', ...options, ...args], { cwd: work, timeoutMs: APT_TIMEOUT_MS });
  await aptGet('update');
  await aptGet('download', 'containerd');
}

/** apt knows which of the machine's sources are Debian's once it has their lists. */
async function sourceOfDebian(): Promise<AptSource> {
  try {
    return await aptSource();
  } catch {
    await run('apt-get', ['-q', 'update'], { timeoutMs: APT_TIMEOUT_MS });
    return aptSource();
  }
}
