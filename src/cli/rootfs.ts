import type { Command } from 'commander';
import { findSnapshotId } from './find-snapshot.ts';
import type { Io } from './io.ts';
import { LAYERS_OPTION, layersDirectory } from './node-data.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

type RootfsOptions = {
  ro?: true;
  scratch?: string;
  entrypoint?: string;
  tty?: true;
  hostNetwork?: true;
  data?: string;
  output: OutputFormat;
};

export function addRootfs(program: Command, io: Io): void {
  const command = program
    .command('rootfs <cache> <image> <dir> [args...]')
    .description('make an OCI runtime bundle of an image of a cache, for runc, crun or youki (as root)')
    .option('--ro', 'the container may not write to its root')
    .option('--scratch <dir>', 'where what is written lies (default: in the data folder)')
    .option('--entrypoint <program>', "instead of the image's Entrypoint and Cmd; '' for ARGS alone")
    .option('-t, --tty', 'give the container a terminal')
    .option('--host-network', "the machine's network instead of none")
    .option(...LAYERS_OPTION)
    .addHelpText(
      'after',
      `
DIR gets rootfs, where the image is mounted, and config.json, made of the image's config: edit it as you like. CACHE is the
id (imc-…) or the name of an image cache, or a snapshot (s-…). ARGS after -- stand in place of the image's Cmd.

Example:
  larder rootfs web nginx:1.27 /run/bundles/web --host-network
  runc run --bundle /run/bundles/web web
  larder umount /run/bundles/web`,
    );
  addOutputOption(command).action(
    async (cache: string, image: string, directory: string, args: string[], options: RootfsOptions) => {
      const { writeBundle } = await import('../nodes/index.ts');
      const dataDirectory = await layersDirectory(io, options.data);
      const snapshotId = await findSnapshotId(io, cache);
      const attachment = await writeBundle({
        dataDirectory,
        snapshotId,
        reference: image,
        directory,
        args,
        entrypoint: options.entrypoint,
        scratch: options.scratch,
        readOnly: options.ro === true,
        terminal: options.tty === true,
        hostNetwork: options.hostNetwork === true,
        signal: io.signal,
      });
      const { bundle = directory } = attachment;
      if (options.output === 'json') {
        const { reference, directory: root, scratch } = attachment;
        printJson(io, { SnapshotId: snapshotId, Image: reference, Bundle: bundle, Root: root, Scratch: scratch });
        return;
      }
      printLine(io, `${attachment.reference} is a bundle in ${bundle}`);
      printLine(io, `run it with: runc run --bundle ${bundle} NAME`);
      printLine(io, `undo with: larder umount ${directory}`);
    },
  );
}
