import type { Command } from 'commander';
import { parseCreateAnswer } from './answers.ts';
import { type ApiClient, connect } from './connect.ts';
import { type CreateOptions, createParams, readPassword } from './create-params.ts';
import { followBuild } from './follow-build.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { reportBuild } from './report-build.ts';
import { addOutputOption, collect, positiveInteger } from './usage.ts';

export function addCreate(program: Command, io: Io): void {
  const command = program
    .command('create <name>')
    .description('create an image cache: the server pulls the images and makes them mountable')
    .requiredOption('--image <ref>', 'an image reference; give it again for more (up to 20)', collect)
    .option('--wait', 'follow the build to its end; exit code 1 when it fails')
    .option('--size <gib>', 'size limit of the cache in GiB', positiveInteger)
    .option('--retention-days <n>', 'delete the cache after so many days', positiveInteger)
    .option('--plain-http <host>', 'pull from this HOST[:PORT] over plain HTTP (repeatable)', collect)
    .option('--insecure <host>', "don't verify the TLS certificate of this HOST[:PORT] (repeatable)", collect)
    .option('--credential <login>', 'HOST=USER:PASSWORD for a registry (repeatable)', collect)
    .addHelpText(
      'after',
      `
A password on the command line is visible to all users of the machine. Leave it out (HOST=USER) and it is read from
LARDER_REGISTRY_PASSWORD, else from standard input.

Examples:
  larder create web --image nginx:1.27 --wait
  larder create jobs --image registry.example.com/a:1 --image registry.example.com/b:2 --retention-days 30
  larder create private --image reg.example.com/app:1 --credential reg.example.com=robot < password.txt`,
    );
  addOutputOption(command).action(
    async (name: string, options: CreateOptions & { wait?: true; output: OutputFormat }) => {
      const { client, answer } = await call(name, options);
      const { ImageCacheId } = parseCreateAnswer(answer);
      if (!options.wait) {
        if (options.output === 'json') printJson(io, answer);
        else printLine(io, ImageCacheId);
        return;
      }
      const { createProgressView } = await import('./progress-view.ts');
      const view = options.output === 'json' ? undefined : createProgressView(io);
      const followed = await followBuild({ client, imageCacheId: ImageCacheId, view, signal: io.signal });
      reportBuild(io, options.output, followed);
    },
  );

  /** The parameters hold passwords, and are gone once it has returned: what follows may take an hour. */
  async function call(name: string, options: CreateOptions): Promise<{ client: ApiClient; answer: unknown }> {
    const params = { ...(await createParams(options, () => readPassword(io))), ImageCacheName: name };
    const client = await connect(io);
    return { client, answer: await client.call('CreateImageCache', params, { signal: io.signal }) };
  }
}
