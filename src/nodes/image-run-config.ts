import { z } from 'zod';
import { describeError, LarderError } from '../lib/errors.ts';

const strings = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
/** Go writes a set as an object whose values say nothing. */
const names = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((set) => Object.keys(set ?? {}).toSorted());
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

const schema = z.object({
  os: text,
  architecture: text,
  variant: text,
  'os.version': text,
  'os.features': strings,
  author: text,
  created: text,
  config: z
    .object({
      User: text,
      ExposedPorts: names,
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      Volumes: names,
      WorkingDir: text,
      Labels: z
        .record(z.string(), z.string())
        .nullish()
        .transform((labels) => labels ?? {}),
      StopSignal: text,
    })
    .nullish(),
});

/** What an image config (image-spec config.md) says of how to run the image; fields that are absent are empty. */
export type ImageRunConfig = Omit<z.infer<typeof schema>, 'config'> & {
  run: NonNullable<z.infer<typeof schema>['config']>;
};

const NOTHING: ImageRunConfig['run'] = {
  User: '',
  ExposedPorts: [],
  Env: [],
  Entrypoint: [],
  Cmd: [],
  Volumes: [],
  WorkingDir: '',
  Labels: {},
  StopSignal: '',
};

/** Reads an image config. Throws `nodes.config-invalid`. */
export function parseRunConfig(config: string): ImageRunConfig {
  try {
    const { config: run, ...rest } = schema.parse(JSON.parse(config));
    return { ...rest, run: run ?? NOTHING };
  } catch (cause) {
    throw new LarderError('nodes.config-invalid', `the image's config can't be read: ${describeError(cause)}`, {
      cause,
    });
  }
}
