import type { Command } from 'commander';
import { type ApiClient, connect } from './connect.ts';
import { type CreateOptions, createParams, readPassword } from './create-params.ts';
import { followBuild } from './follow-build.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { reportBuild } from './report-build.ts';
import { addOutputOption, collect, positiveInteger, usageError } from './usage.ts';

type UpdateOptions = Omit<CreateOptions, 'image' | 'plainHttp' | 'insecure'> & {
  name?: string;
  image?: string[];
  wait?: true;
  output: OutputFormat;
};

export function addUpdate(program: Command, io: Io): void {
  const command = program
    .command('update <id>')
    .description('change an image cache; with images, pull them again and replace its content')
    .option('--name <name>', 'new name')
    .option('--image <ref>', 'an image reference, also an unchanged one; give it again for more (up to 20)', collect)
    .option('--size <gib>', 'size limit of the cache in GiB', positiveInteger)
    .option('--retention-days <n>', 'delete the cache so many days after its creation', positiveInteger)
    .option('--credential <login>', 'HOST=USER:PASSWORD for a registry (repeatable)', collect)
    .option('--wait', 'follow the build to its end; exit code 1 when it fails')
    .addHelpText(
      'after',
      `
The old content is served until the new is Ready, and kept when the update fails.

Examples:
  larder update imc-2zeditzeoemfhqor4rf8 --name web-blue
  larder update imc-2zeditzeoemfhqor4rf8 --image nginx:1.28 --wait`,
    );
  addOutputOption(command).action(async (id: string, options: UpdateOptions) => {
    const { image = [], wait, output } = options;
    if (wait && image.length === 0) throw usageError('--wait has nothing to wait for without --image');
    const { client, answer } = await call(id, options);
    if (!wait) {
      if (output === 'json') printJson(io, answer);
      else printLine(io, image.length === 0 ? `${id} updated` : `${id} is being updated`);
      return;
    }
    const { createProgressView } = await import('./progress-view.ts');
    const view = output === 'json' ? undefined : createProgressView(io);
    reportBuild(io, output, await followBuild({ client, imageCacheId: id, view, signal: io.signal }));
  });

  /** The parameters hold passwords, and are gone once it has returned: what follows may take an hour. */
  async function call(id: string, options: UpdateOptions): Promise<{ client: ApiClient; answer: unknown }> {
    const { name, image = [], ...rest } = options;
    const params = {
      ...(await createParams({ ...rest, image }, () => readPassword(io))),
      ...(name === undefined ? {} : { ImageCacheName: name }),
      ImageCacheId: id,
    };
    const client = await connect(io);
    return { client, answer: await client.call('UpdateImageCache', params, { signal: io.signal }) };
  }
}
