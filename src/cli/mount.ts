import type { Command } from 'commander';
import { findSnapshotId } from './find-snapshot.ts';
import type { Io } from './io.ts';
import { LAYERS_OPTION, layersDirectory } from './node-data.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption, usageError } from './usage.ts';

type MountOptions = { rw?: true; scratch?: string; data?: string; output: OutputFormat };

export function addMount(program: Command, io: Io): void {
  const command = program
    .command('mount <cache> <image> <dir>')
    .description('mount an image of a cache at a directory (as root, on a machine with its layers)')
    .option('--rw', 'writable; what is written is removed by umount')
    .option('--scratch <dir>', 'with --rw: where what is written lies (default: in the data folder)')
    .option(...LAYERS_OPTION)
    .addHelpText(
      'after',
      `
CACHE is the id (imc-…) or the name of an image cache, or a snapshot (s-…) without asking the API. DIR is made where there
is none. Set-user-id programs and device files are part of the image and work: choose a DIR that only root can enter.

Examples:
  larder mount imc-2zeditzeoemfhqor4rf8 nginx:1.27 /mnt/nginx
  larder mount web nginx:1.27 /mnt/nginx --rw
  larder umount /mnt/nginx`,
    );
  addOutputOption(command).action(async (cache: string, image: string, directory: string, options: MountOptions) => {
    const { rw, scratch, data, output } = options;
    if (scratch !== undefined && !rw) throw usageError('--scratch goes with --rw');
    const { attachImage } = await import('../nodes/index.ts');
    const dataDirectory = await layersDirectory(io, data);
    const snapshotId = await findSnapshotId(io, cache);
    const writable = rw ? { scratch } : undefined;
    const attachment = await attachImage({
      dataDirectory,
      snapshotId,
      reference: image,
      directory,
      writable,
      signal: io.signal,
    });
    if (output === 'json') {
      printJson(io, {
        SnapshotId: snapshotId,
        Image: attachment.reference,
        Directory: attachment.directory,
        ...(attachment.scratch === undefined ? {} : { Scratch: attachment.scratch }),
      });
      return;
    }
    const how = rw ? ' for reading and writing' : '';
    printLine(io, `${attachment.reference} is mounted at ${attachment.directory}${how}`);
    printLine(io, `undo with: larder umount ${directory}`);
  });
}

type UmountOptions = { keep?: true; data?: string; output: OutputFormat };

export function addUmount(program: Command, io: Io): void {
  const command = program
    .command('umount <dir>')
    .description('undo mount or rootfs; layers that no other mount uses go as well')
    .option('--keep', 'keep what was written into a writable mount, and print where it is')
    .option(...LAYERS_OPTION)
    .addHelpText(
      'after',
      `
What --keep keeps is the upper directory of an overlay: changed files whole, deleted ones as character devices 0:0.

Examples:
  larder umount /mnt/nginx
  larder umount /run/bundles/web --keep`,
    );
  addOutputOption(command).action(async (directory: string, options: UmountOptions) => {
    const { detachImage } = await import('../nodes/index.ts');
    const dataDirectory = await layersDirectory(io, options.data);
    const detached = await detachImage({ dataDirectory, directory, keepWritten: options.keep, signal: io.signal });
    if (options.output === 'json') {
      printJson(io, {
        Directory: detached.directory,
        ...(detached.written === undefined ? {} : { Written: detached.written }),
      });
      return;
    }
    printLine(io, `${detached.directory} is unmounted`);
    if (detached.written !== undefined) printLine(io, `what was written is in ${detached.written}`);
  });
}
