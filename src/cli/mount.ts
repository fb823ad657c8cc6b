import type { Command } from 'commander';
import { LarderError } from '../lib/errors.ts';
import { parseDescribeAnswer } from './answers.ts';
import { connect, serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

export function addMount(program: Command, io: Io): void {
  const command = program
    .command('mount <id> <ref> <dir>')
    .description("mount an image of a cache read-only (as root, on the server's machine)")
    .option('--data <dir>', "the server's data folder (default: that of the profile)")
    .addHelpText(
      'after',
      `
ID is an image cache (imc-…), or a snapshot (s-…) without asking the API. DIR is made where there is none.
Set-user-id programs and device files are part of the image and work: choose a DIR that only root can enter.

Example:
  larder mount imc-2zeditzeoemfhqor4rf8 nginx:1.27 /mnt/nginx`,
    );
  addOutputOption(command).action(async (id: string, reference: string, directory: string, options: MountOptions) => {
    const { attachImage, isSnapshotId } = await import('../nodes/index.ts');
    const dataDirectory = await serverDataDirectory(io, options.data);
    const snapshotId = isSnapshotId(id) ? id : await findSnapshotId(io, id);
    const attachment = await attachImage({ dataDirectory, snapshotId, reference, directory, signal: io.signal });
    if (options.output === 'json') {
      printJson(io, { SnapshotId: snapshotId, Image: attachment.reference, Directory: attachment.directory });
    } else {
      printLine(
        io,
        `${attachment.reference} is mounted at ${attachment.directory}; undo with: larder umount ${directory}`,
      );
    }
  });
}

type MountOptions = { data?: string; output: OutputFormat };

export function addUmount(program: Command, io: Io): void {
  const command = program
    .command('umount <dir>')
    .description('undo mount; layers that no other mount uses go as well')
    .option('--data <dir>', "the server's data folder (default: that of the profile)")
    .addHelpText('after', '\nExample:\n  larder umount /mnt/nginx');
  addOutputOption(command).action(async (directory: string, options: MountOptions) => {
    const { detachImage } = await import('../nodes/index.ts');
    const dataDirectory = await serverDataDirectory(io, options.data);
    const detached = await detachImage({ dataDirectory, directory, signal: io.signal });
    if (options.output === 'json') printJson(io, { Directory: detached.directory });
    else printLine(io, `${detached.directory} is unmounted`);
  });
}

async function findSnapshotId(io: Io, imageCacheId: string): Promise<string> {
  const client = await connect(io);
  const answer = await client.call('DescribeImageCaches', { ImageCacheId: imageCacheId }, { signal: io.signal });
  const [cache] = parseDescribeAnswer(answer).ImageCaches;
  if (!cache)
    throw new LarderError('cli.cache-missing', `no image cache ${imageCacheId}; larder list shows those there are`);
  if (cache.SnapshotId) return cache.SnapshotId;
  throw new LarderError(
    'cli.cache-not-ready',
    `${imageCacheId} is ${cache.Status} ${cache.Progress} and has no snapshot yet`,
  );
}
