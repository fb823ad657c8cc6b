import { lstatSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

/**
 * Turns the upper folder of an overlay mount into the form of an OCI layer, in place (image-spec, layer.md, "Whiteouts"):
 * a character device 0:0 becomes `.wh.NAME`, the xattr `trusted.overlay.opaque` becomes a file `.wh..wh..opq`.
 */
export async function markRemovals(upper: string): Promise<void> {
  const onlyOpaque = ['-m', '^trusted\\.overlay\\.opaque$'];
  const dump = await run('getfattr', ['-R', '-P', '-h', '--absolute-names', ...onlyOpaque, upper]);
  const opaque = [...dump.matchAll(/^# file: (.*)$/gm)].map((match) => match[1] ?? '');
  for (const folder of opaque) writeFileSync(join(folder, '.wh..wh..opq'), '');
  replaceDevices(upper);
}

function replaceDevices(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) replaceDevices(path);
    if (entry.isCharacterDevice() && lstatSync(path).rdev === 0) {
      rmSync(path);
      writeFileSync(join(folder, `.wh.${entry.name}`), '');
    }
  }
}
