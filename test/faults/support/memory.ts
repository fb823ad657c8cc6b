import { readFile } from 'node:fs/promises';

/** Memory of a process that only it has: what it allocated, without the pages of files that it maps. */
export async function privateBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no RssAnon`);
  return Number(kib) * 1024;
}
