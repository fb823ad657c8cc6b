import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOfHex } from '../../lib/digest.ts';

const HEX = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g;
const LOOP_DEVICE = /^loop\d+$/;

/**
 * Blobs that something on this machine has mounted, or is recorded to: by any trace of their keys in the records of
 * attachments, in mounts of EROFS files and in the files behind loop devices. Too many are harmless.
 */
export async function blobsInUse(dataDirectory: string): Promise<Set<Digest>> {
  const isRecord = (name: string) => name.endsWith('.json');
  const texts = [
    ...(await textsOf(join(dataDirectory, 'mounts', 'attached'), isRecord)),
    ...(await textsOf(join(dataDirectory, 'mounts', 'run', 'attached'), isRecord)),
    ...(await mountedFiles()),
    ...(await textsOf('/sys/block', (name) => LOOP_DEVICE.test(name), 'loop/backing_file')),
  ];
  const used = new Set<Digest>();
  for (const text of texts) for (const [hex] of text.matchAll(HEX)) used.add(digestOfHex(hex));
  return used;
}

async function mountedFiles(): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return table.split('\n').filter((line) => line.includes(' - erofs '));
}

async function textsOf(folder: string, isWanted: (name: string) => boolean, file = ''): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const texts = names.filter(isWanted).map((name) => readFile(join(folder, name, file), 'utf8').catch(() => ''));
  return Promise.all(texts);
}
