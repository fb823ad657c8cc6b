import type { Io } from './io.ts';
import { usageError } from './usage.ts';

/** More than any registry's token. */
const MAX_PASSWORD_CHARS = 64 * 1024;

export type CreateOptions = {
  image: string[];
  size?: number;
  retentionDays?: number;
  plainHttp?: string[];
  insecure?: string[];
  credential?: string[];
};

/**
 * The parameters that CreateImageCache and UpdateImageCache share. A credential is `HOST=USER:PASSWORD`, or `HOST=USER` with the password from
 * `passwordFor`, since what stands on a command line is visible to every user of the machine.
 */
export async function createParams(
  options: CreateOptions,
  passwordFor: (host: string, user: string) => Promise<string>,
): Promise<Record<string, string>> {
  const params: Record<string, string> = {};
  for (const [place, image] of options.image.entries()) params[`Image.${place + 1}`] = image;
  if (options.size !== undefined) params.ImageCacheSize = `${options.size}`;
  if (options.retentionDays !== undefined) params.RetentionDays = `${options.retentionDays}`;
  if (options.plainHttp) params.PlainHttpRegistry = options.plainHttp.join(',');
  if (options.insecure) params.InsecureRegistry = options.insecure.join(',');
  for (const [place, text] of (options.credential ?? []).entries()) {
    const { host, user, password } = parseCredential(text);
    const prefix = `ImageRegistryCredential.${place + 1}`;
    params[`${prefix}.Server`] = host;
    params[`${prefix}.UserName`] = user;
    params[`${prefix}.Password`] = password ?? (await passwordFor(host, user));
  }
  return params;
}

function parseCredential(text: string): { host: string; user: string; password?: string } {
  const match = /^([^=]+)=([^:]+)(?::(.*))?$/s.exec(text);
  const [, host, user, password] = match ?? [];
  // The text is not repeated: it may hold a password.
  if (host === undefined || user === undefined) {
    throw usageError(
      '--credential takes HOST=USER:PASSWORD, or HOST=USER with the password in LARDER_REGISTRY_PASSWORD',
    );
  }
  return password === undefined ? { host, user } : { host, user, password };
}

/** The password that was left out of `--credential`: from LARDER_REGISTRY_PASSWORD, else from standard input. */
export async function readPassword(io: Io): Promise<string> {
  const given = io.env.LARDER_REGISTRY_PASSWORD;
  if (given) return given;
  if (io.stdin.isTTY)
    throw usageError('the password is missing: set LARDER_REGISTRY_PASSWORD or pipe it to standard input');
  let text = '';
  for await (const chunk of io.stdin) {
    text += String(chunk);
    if (text.length > MAX_PASSWORD_CHARS) throw usageError('standard input is longer than any password');
  }
  return text.replace(/\r?\n$/, '');
}
