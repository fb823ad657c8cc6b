/**
 * Two real images, made from Debian packages once per machine:
 * - `debian-minbase`: debootstrap's minbase variant, one layer;
 * - `debian-apps`: SciPy, pandas, Matplotlib and a Java runtime on top, as a second layer with everything that a `RUN apt-get install`
 *   leaves: new files, changed ones, removed ones (whiteouts), a removed and re-made directory (opaque).
 * Mirrors, proxies and keys are those of the machine's own apt configuration.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { aptSource } from './apt-source.ts';
import { cacheFolder } from './cache-folder.ts';
import { addLayer, isFolder, type Layer, writeImages } from './oci-layout.ts';
import { markRemovals } from './overlay-diff.ts';
import { run, toolEnvironment } from './run.ts';

/** Matplotlib is what pandas recommends; with it the image has the 1.3 GB that the benchmarks speak of. */
const APPLICATIONS = ['python3-scipy', 'python3-pandas', 'python3-matplotlib', 'openjdk-17-jre-headless'];
/** Change it when the images' content changes: old cache folders are then left alone. */
const VERSION = 1;
/** dpkg syncs after every file; in memory that costs nothing. Both trees and the downloads fit into this. */
const WORK_BYTES = 5 * 2 ** 30;

export const DEBIAN_MINBASE = 'debian-minbase';
export const DEBIAN_APPS = 'debian-apps';

/** The OCI layout that holds both images, by their names as tags. The first call on a machine takes minutes and needs root. */
export async function debianImages(log: (line: string) => void = () => {}): Promise<string> {
  const layout = join(cacheFolder(), `debian-images-${VERSION}`);
  if (await isFolder(layout)) return layout;
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(join(cacheFolder(), 'building-'));
  const inMemory = freemem() > 2 * WORK_BYTES;
  if (inMemory) await run('mount', ['-t', 'tmpfs', '-o', `size=${WORK_BYTES},mode=0700`, 'larder-test', work]);
  const fresh = await mkdtemp(`${layout}-fresh-`);
  try {
    await build(work, fresh, log);
    await rename(fresh, layout);
  } finally {
    if (inMemory) await run('umount', ['--recursive', work]);
    await rm(work, { recursive: true, force: true });
    await rm(fresh, { recursive: true, force: true });
  }
  return layout;
}

async function build(work: string, layout: string, log: (line: string) => void): Promise<void> {
  const timed = async <T>(name: string, task: () => Promise<T>): Promise<T> => {
    const startMs = performance.now();
    const result = await task();
    log(`${name}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    return result;
  };
  const [base, upper, merged] = [join(work, 'base'), join(work, 'upper'), join(work, 'merged')];
  await timed('debootstrap', () => bootstrap(base));
  // The base is compressed while the applications are installed over it; the base tree doesn't change any more.
  const [baseLayer] = await Promise.all([
    timed('base layer', () => packLayer(layout, base)),
    timed('applications', () => installApplications({ work, base, upper, merged })),
  ]);
  await timed('whiteouts', () => markRemovals(upper));
  const appsLayer = await timed('applications layer', () => packLayer(layout, upper));
  await writeImages(layout, [
    { tag: DEBIAN_MINBASE, layers: [baseLayer] },
    { tag: DEBIAN_APPS, layers: [baseLayer, appsLayer] },
  ]);
}

async function bootstrap(root: string): Promise<void> {
  const { uri, suite, env } = await aptSource();
  await run('debootstrap', ['--variant=minbase', suite, root, uri], { env });
  await emptyAptCaches(root);
}

async function installApplications(dirs: { work: string; base: string; upper: string; merged: string }): Promise<void> {
  const { work, base, upper, merged } = dirs;
  const debs = join(work, 'debs');
  await Promise.all([upper, merged, join(work, 'overlay-work')].map((dir) => mkdir(dir)));
  await mkdir(join(debs, 'partial'), { recursive: true });
  await downloadApplications(base, debs);
  // Redirects and metadata-only copies would make the upper folder unreadable on its own.
  const plain = 'redirect_dir=off,metacopy=off,index=off';
  const options = `lowerdir=${base},upperdir=${upper},workdir=${join(work, 'overlay-work')},${plain}`;
  await run('mount', ['-t', 'overlay', '-o', options, 'larder-test', merged]);
  try {
    await mkdir(join(merged, 'debs'));
    await run('mount', ['--bind', debs, join(merged, 'debs')]);
    await run('mount', ['-t', 'proc', 'proc', join(merged, 'proc')]);
    await installInside(merged);
    await run('umount', [join(merged, 'debs'), join(merged, 'proc')]);
    await rm(join(merged, 'debs'), { recursive: true });
    await emptyAptCaches(merged);
    await removeSomeOfBase(merged);
  } finally {
    await run('umount', ['--recursive', merged]);
  }
}

/** Resolves against the image's package database with the machine's own apt, its lists, proxies and keys. */
async function downloadApplications(root: string, debs: string): Promise<void> {
  const options = [
    `Dir::State::status=${join(root, 'var/lib/dpkg/status')}`,
    `Dir::Cache::archives=${debs}`,
    'APT::Install-Recommends=false',
    'APT::Sandbox::User=root',
    'Acquire::Retries=3',
  ].flatMap((option) => ['-o', option]);
  const args = [...options, '-y', '--download-only', 'install', ...APPLICATIONS];
  try {
    await run('apt-get', args);
  } catch {
    // The usual reason is that the lists are missing or older than the mirror.
    await run('apt-get', ['update']);
    await run('apt-get', args);
  }
}

/** Local package files need no lists and no network inside. */
async function installInside(root: string): Promise<void> {
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    DEBIAN_FRONTEND: 'noninteractive',
    LC_ALL: 'C.UTF-8',
    HOME: '/root',
  };
  const script = 'apt-get install -y --no-install-recommends --allow-downgrades /debs/*.deb';
  await run('chroot', [root, 'sh', '-ec', script], { env });
}

/** What real images do in a later layer: delete files and folders of an earlier one, replace a type by another. */
async function removeSomeOfBase(root: string): Promise<void> {
  await rm(join(root, 'usr/share/doc/bash'), { recursive: true });
  await rm(join(root, 'usr/share/man/man8'), { recursive: true, force: true });
  await rm(join(root, 'usr/share/doc/coreutils'), { recursive: true });
  await mkdir(join(root, 'usr/share/doc/coreutils'));
  await writeFile(join(root, 'usr/share/doc/coreutils/README'), 'This folder was removed and made again.\n');
  await rm(join(root, 'usr/share/doc/dpkg'), { recursive: true });
  await symlink('coreutils', join(root, 'usr/share/doc/dpkg'));
  await copyFile(join(root, 'usr/share/common-licenses/GPL-2'), join(root, 'usr/share/doc/grep/GPL'));
}

async function emptyAptCaches(root: string): Promise<void> {
  for (const folder of ['var/cache/apt/archives', 'var/lib/apt/lists']) {
    for (const name of await readdir(join(root, folder)).catch(() => [])) {
      if (name !== 'lock' && name !== 'partial') await rm(join(root, folder, name), { recursive: true });
    }
  }
}

/** gzip at level 6, what most registries hold, on all cores. */
function pigz(): Duplex {
  const child = spawn('pigz', ['-6', '-n', '-c'], { env: toolEnvironment(), stdio: ['pipe', 'pipe', 'inherit'] });
  return Duplex.from({ writable: child.stdin, readable: child.stdout });
}

/** GNU tar in pax form with sub-second times, numeric owners, capabilities; the order is sorted, so it is repeatable. */
async function packLayer(layout: string, root: string): Promise<Layer> {
  const format = ['--format=posix', '--pax-option=delete=atime,delete=ctime', '--numeric-owner', '--sort=name'];
  const xattrs = ['--xattrs', '--xattrs-include=security.capability', '--xattrs-include=user.*'];
  const child = spawn('tar', ['-C', root, ...format, ...xattrs, '-cf', '-', '.'], {
    env: toolEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const layer = await addLayer(layout, child.stdout, 'gzip', pigz());
  await exited;
  if (child.exitCode !== 0) throw new Error(`tar of ${root} failed with ${child.exitCode}`);
  return layer;
}
