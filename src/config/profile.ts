import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { publishFile } from '../lib/publish-file.ts';

const profileSchema = z.object({
  endpoint: z.string().min(1),
  regionId: z.string().min(1),
  accessKeyId: z.string().min(1),
  accessKeySecret: z.string().min(1),
  dataDirectory: z.string().min(1),
  /** The file of the server's certificate, where it serves HTTPS: what the clients of this machine trust. */
  tlsCert: z.string().min(1).optional(),
});

/** What `larder serve` leaves for the clients of the same user on the same machine. */
export type Profile = z.infer<typeof profileSchema>;

/** Reads a profile; undefined when there is none. Throws `config.profile-invalid` or `config.profile-unreadable`. */
export async function readProfile(path: string): Promise<Profile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new LarderError('config.profile-unreadable', `can't read the profile ${path}: ${describeError(error)}`, {
      cause: error,
    });
  }
  const parsed = profileSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'the whole file').join(', ');
  throw new LarderError(
    'config.profile-invalid',
    `the profile ${path} is damaged (${fields}); the next start of larder serve writes it anew`,
  );
}

/** Writes the profile with mode 0600, all or nothing: a reader sees the old file or the new one. */
export async function writeProfile(path: string, profile: Profile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  const text = Buffer.from(`${JSON.stringify(profile, undefined, 2)}\n`);
  // `wx` never follows a link or reuses a file that somebody else may read.
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await publishFile(file, { from: temporary, to: path, bytes: text.length, isFolderNew: true });
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
