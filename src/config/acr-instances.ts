import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { describeError, LarderError } from '../lib/errors.ts';

const HOST = /^[A-Za-z0-9.-]+(:\d{1,5})?$/;

const schema = z.record(
  z.string().regex(/^cri-[A-Za-z0-9]+$/, 'an instance id is cri- and letters or digits'),
  z.strictObject({
    domains: z.array(z.string().regex(HOST, 'a domain is host or host:port')).min(1),
    username: z.string().min(1).optional(),
    password: z.string().min(1).optional(),
  }),
);

export type AcrInstanceConfig = z.infer<typeof schema>[string];

/**
 * Reads the file of LARDER_ACR_INSTANCES: JSON, `{ "cri-…": { "domains": ["host"], "username": "…", "password": "…" } }`.
 * Throws `config.invalid`, naming the file and what is wrong with it, never what it holds.
 */
export async function readAcrInstances(path: string | undefined): Promise<Map<string, AcrInstanceConfig>> {
  if (path === undefined) return new Map();
  try {
    const parsed = schema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    if (parsed.success) return new Map(Object.entries(parsed.data));
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new LarderError('config.invalid', `LARDER_ACR_INSTANCES, ${path}: ${problems.join('; ')}`);
  } catch (error) {
    if (error instanceof LarderError) throw error;
    // A syntax error quotes the text around it, which may be a password.
    const reason = error instanceof SyntaxError ? 'it is not JSON' : describeError(error);
    throw new LarderError('config.invalid', `LARDER_ACR_INSTANCES, ${path}: ${reason}`);
  }
}
