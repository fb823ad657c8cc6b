import type { Command } from 'commander';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

type Options = { output: OutputFormat };
const RESOURCE_TYPE = 'ImageCache';

export function addTag(program: Command, io: Io): void {
  const command = program
    .command('tag <id> <tag...>')
    .description('add tags to an image cache, each KEY or KEY=VALUE')
    .addHelpText('after', '\nExample:\n  larder tag imc-2zeditzeoemfhqor4rf8 env=prod team=web');
  addOutputOption(command).action(async (id: string, tags: string[], { output }: Options) => {
    const params: Record<string, string> = { ResourceType: RESOURCE_TYPE, 'ResourceId.1': id, ...tagParams(tags) };
    const client = await connect(io);
    const answer = await client.call('TagResources', params, { signal: io.signal });
    if (output === 'json') printJson(io, answer);
    else printLine(io, `${id} tagged`);
  });
}

export function addUntag(program: Command, io: Io): void {
  const command = program
    .command('untag <id> <key...>')
    .description('remove tags from an image cache by their keys')
    .addHelpText('after', '\nExample:\n  larder untag imc-2zeditzeoemfhqor4rf8 team');
  addOutputOption(command).action(async (id: string, keys: string[], { output }: Options) => {
    const params: Record<string, string> = { ResourceType: RESOURCE_TYPE, 'ResourceId.1': id };
    for (const [place, key] of keys.entries()) params[`TagKey.${place + 1}`] = key;
    const client = await connect(io);
    const answer = await client.call('UntagResources', params, { signal: io.signal });
    if (output === 'json') printJson(io, answer);
    else printLine(io, `${id} untagged`);
  });
}

/** `KEY` or `KEY=VALUE` as the parameter Tag; without a value, a filter takes any. */
export function tagParams(tags: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [place, tag] of tags.entries()) {
    const [key = '', ...value] = tag.split('=');
    params[`Tag.${place + 1}.Key`] = key;
    if (value.length > 0) params[`Tag.${place + 1}.Value`] = value.join('=');
  }
  return params;
}
