import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { describeError, LarderError } from '../lib/errors.ts';
import type { Environment } from './paths.ts';

const word = z.union([z.string(), z.number(), z.boolean()]);
const fileSchema = z.record(
  z.string().regex(/^[a-z][A-Za-z]*$/),
  z.union([word, z.array(word), z.record(z.string(), z.union([word, z.array(word)]))]),
);

/**
 * The settings of a JSON file as the environment would carry them: `tlsCert` is LARDER_TLS_CERT, lists are joined by commas,
 * and an object becomes a list of `NAME=VALUE`. Throws `config.file`, naming the file and what is wrong with it; never its
 * content, which may hold an access key.
 */
export async function readConfigFile(path: string): Promise<Environment> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'it is not JSON' : describeError(error);
    throw new LarderError('config.file', `cannot use the configuration file ${path}: ${reason}`);
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.map(String).join('.') || 'its top';
    const wanted = 'it takes an object of texts, numbers, lists, and objects of these, under names like tlsCert';
    throw new LarderError('config.file', `the configuration file ${path} is wrong at ${where}: ${wanted}`);
  }
  return Object.fromEntries(
    Object.entries(parsed.data).map(([name, setting]) => [environmentName(name), text(setting)]),
  );
}

function environmentName(name: string): string {
  return `LARDER_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

type Setting = z.infer<typeof fileSchema>[string];

function text(setting: Setting): string {
  if (Array.isArray(setting)) return setting.map(String).join(',');
  if (typeof setting !== 'object') return String(setting);
  const entries = Object.entries(setting);
  return entries.flatMap(([name, value]) => [value].flat().map((each) => `${name}=${each}`)).join(',');
}
