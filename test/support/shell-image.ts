import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { addLayer, type Layer } from './oci-layout.ts';
import { run } from './run.ts';
import { type TarEntry, writeTar } from './tar-writer.ts';

/** Programs of this machine that are in the image's /bin. */
const PROGRAMS = ['sh', 'cat', 'ls', 'stat', 'sleep', 'id'];
/** What the shell image's root directory is like: no other layer names it. */
export const SHELL_ROOT = { mode: 0o751, uid: 0, gid: 5, mtime: '1600000000.123456789' };

/** A layer with this machine's shell and a few programs, as they are: a megabyte or three, made in milliseconds. */
export async function addShellLayer(layout: string): Promise<Layer> {
  return addTarLayer(layout, await shellEntries());
}

export function addTarLayer(layout: string, entries: readonly TarEntry[]): Promise<Layer> {
  return addLayer(layout, Readable.from(writeTar(entries)), 'gzip');
}

export async function shellEntries(): Promise<TarEntry[]> {
  const files = new Map<string, string>();
  for (const name of PROGRAMS) {
    const path = (await run('sh', ['-c', `command -v ${name}`])).trim();
    files.set(`bin/${name}`, path);
    for (const [, library] of (await run('ldd', [path])).matchAll(/(\/\S+) \(0x/g)) {
      if (library) files.set(library.slice(1), library);
    }
  }
  const folders = new Set(['proc', 'sys', 'dev', 'etc', 'tmp', 'run']);
  for (const file of files.keys()) {
    const parts = file.split('/').slice(0, -1);
    for (let count = 1; count <= parts.length; count++) folders.add(parts.slice(0, count).join('/'));
  }
  const entries: TarEntry[] = [{ name: './', type: 'directory', ...SHELL_ROOT }];
  for (const name of [...folders].toSorted()) entries.push({ name, type: 'directory', mode: 0o755 });
  for (const [name, path] of files) entries.push({ name, type: 'file', mode: 0o755, content: await readFile(path) });
  return entries;
}
