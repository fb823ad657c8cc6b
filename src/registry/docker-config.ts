import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { errorCode, LarderError } from '../lib/errors.ts';
import { type Credential, type CredentialLookup, registryOfKey } from './credentials.ts';

const HELPER_TIMEOUT_MS = 10_000;
const MAX_HELPER_OUTPUT_BYTES = 1024 * 1024;
/** The key under which Docker keeps the login of Docker Hub. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
/** It becomes a part of a program's name. */
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

const authSchema = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});

const configSchema = z.object({
  auths: z.record(z.string(), authSchema).optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});

/** The parts of Docker's `config.json` that log in to registries. */
export type DockerConfig = z.infer<typeof configSchema>;

/** Runs `docker-credential-NAME get` for a server; undefined when it has nothing for it. */
export type CredentialHelper = (name: string, serverUrl: string) => Promise<Credential | undefined>;

/** Reads the text of Docker's `config.json`; throws `registry.docker-config-invalid`, which never holds the text. */
export function parseDockerConfig(text: string): DockerConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The cause is left out on purpose: its message quotes the text, and the text holds passwords.
    throw new LarderError('registry.docker-config-invalid', "Docker's config.json is not JSON");
  }
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  const path = result.error.issues[0]?.path.map(String).join('.') ?? '';
  throw new LarderError('registry.docker-config-invalid', `Docker's config.json is not valid at ${path || 'its top'}`);
}

/**
 * A lookup in Docker's config, read anew each time, so that `docker login` takes effect at once. As in Docker, a helper for
 * the host goes before the general store, and that before what is written in the file. No file is an empty config.
 */
export function createDockerConfigLookup(options: { path: string; helper?: CredentialHelper }): CredentialLookup {
  const helper = options.helper ?? runCredentialHelper;
  return async (registry) => {
    const config = parseDockerConfig(await readIfThere(options.path));
    const wanted = registryOfKey(registry);
    const own = Object.entries(config.credHelpers ?? {}).find(([key]) => registryOfKey(key) === wanted);
    const name = own?.[1] ?? config.credsStore;
    const found = name ? await helper(name, wanted === 'docker.io' ? DOCKER_HUB_KEY : registry) : undefined;
    if (found) return found;
    const entry = Object.entries(config.auths ?? {}).find(([key]) => registryOfKey(key) === wanted);
    return entry && readAuth(entry[1]);
  };
}

function readAuth(entry: z.infer<typeof authSchema>): Credential | undefined {
  if (entry.identitytoken) return { identityToken: entry.identitytoken };
  if (entry.auth) {
    const decoded = Buffer.from(entry.auth, 'base64').toString();
    const colon = decoded.indexOf(':');
    // Docker pads the password with zero bytes in old files.
    return { username: decoded.slice(0, Math.max(colon, 0)), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
  }
  return entry.username ? { username: entry.username, password: entry.password ?? '' } : undefined;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return '{}';
    throw new LarderError('registry.docker-config-unreadable', `cannot read ${path}`, { cause });
  }
}

const helperAnswerSchema = z.object({ Username: z.string(), Secret: z.string() });

/** The protocol of github.com/docker/docker-credential-helpers: the server on stdin, JSON on stdout. */
export async function runCredentialHelper(name: string, serverUrl: string): Promise<Credential | undefined> {
  if (!HELPER_NAME.test(name)) throw helperFailed(name, 'its name is not one');
  const { exitCode, stdout } = await runToEnd(name, serverUrl);
  // A helper without the credential says so on stdout and exits with 1.
  if (exitCode !== 0 && /credentials not found/i.test(stdout)) return undefined;
  if (exitCode !== 0) throw helperFailed(name, `it ended with exit code ${exitCode}`);
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw helperFailed(name, 'its answer is not JSON');
  }
  const parsed = helperAnswerSchema.safeParse(answer);
  if (!parsed.success) throw helperFailed(name, 'its answer has no Username and Secret');
  const { Username: username, Secret: secret } = parsed.data;
  return username === '<token>' ? { identityToken: secret } : { username, password: secret };
}

function runToEnd(name: string, input: string): Promise<{ exitCode: number | null; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${name}`, ['get'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: HELPER_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size > MAX_HELPER_OUTPUT_BYTES) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.on('error', (cause) => reject(helperFailed(name, 'it cannot be run', cause)));
    child.on('close', (exitCode) => resolve({ exitCode, stdout: Buffer.concat(chunks).toString() }));
    // A helper that ends without reading is judged by its exit code.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

function helperFailed(name: string, reason: string, cause?: unknown): LarderError {
  const shown = JSON.stringify(name.slice(0, 100));
  return new LarderError('registry.credential-helper-failed', `credential helper ${shown}: ${reason}`, { cause });
}
