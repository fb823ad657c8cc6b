import { type Digest, isDigest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';

/** An image reference with every default filled in; only made by {@link parseReference}. */
export type ImageReference = {
  /** `host` or `host:port`; `docker.io` for Docker Hub, whose API host the registry client knows. */
  readonly registry: string;
  /** `library/nginx`, `team/app/web`. */
  readonly repository: string;
  /** `latest` when the text had neither tag nor digest; may stand beside a digest, which then decides. */
  readonly tag?: string;
  readonly digest?: Digest;
};

export const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_ALIAS = 'index.docker.io';
const DEFAULT_TAG = 'latest';

/** Of the repository path, as in distribution/reference (RepositoryNameTotalLengthMax). */
export const MAX_REPOSITORY_LENGTH = 255;
/** No reference that the grammar takes needs more: host 255, port 6, repository 255, tag 129, digest 72. */
export const MAX_REFERENCE_LENGTH = 1024;
const MAX_HOST_LENGTH = 255;
const MAX_PORT = 65_535;

// The grammar of github.com/distribution/reference, regexp.go. Every repetition there starts with a character that
// the one before it cannot end with, so none of these backtracks more than linearly.
const HOST =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])$/;
const HOST_AND_PORT = /^(.+?)(?::([0-9]{1,5}))?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const IMAGE_ID = /^[a-f0-9]{64}$/;

/**
 * Reads an image reference by the grammar of distribution/reference, with Docker's defaults:
 * `nginx` → docker.io/library/nginx:latest. Throws `oci.reference-invalid` and nothing else.
 */
export function parseReference(text: string): ImageReference {
  if (text === '') throw invalid(text, 'it is empty');
  if (text.length > MAX_REFERENCE_LENGTH) throw invalid(text, `it is longer than ${MAX_REFERENCE_LENGTH} characters`);
  if (/\s/.test(text)) throw invalid(text, 'it contains white space');
  if (text.includes('://')) throw invalid(text, 'leave out the scheme: host[:port]/repository[:tag]');

  const { name, tag, digest } = splitSuffixes(text);
  if (IMAGE_ID.test(name)) throw invalid(text, 'this is an image id, and a registry is only asked by name');
  const { registry, repository } = splitRegistry(name);
  checkRegistry(text, registry);
  checkRepository(text, repository);
  return {
    registry,
    repository,
    ...(tag !== undefined ? { tag } : digest === undefined ? { tag: DEFAULT_TAG } : {}),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The reference in full: `docker.io/library/nginx:latest`; parsing that gives the same reference again. */
export function formatReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}

function splitSuffixes(text: string): { name: string; tag: string | undefined; digest: Digest | undefined } {
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw invalid(text, 'what follows "@" must be sha256: and 64 lower-case hex digits');
  }
  const beforeDigest = at === -1 ? text : text.slice(0, at);
  // A colon before the last slash belongs to the port.
  const colon = beforeDigest.indexOf(':', beforeDigest.lastIndexOf('/') + 1);
  const tag = colon === -1 ? undefined : beforeDigest.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(text, 'a tag is 1 to 128 of letters, digits, "_", "." and "-", and starts with none of the last two');
  }
  return { name: colon === -1 ? beforeDigest : beforeDigest.slice(0, colon), tag, digest };
}

/** Whether the first component is a host follows distribution/reference, splitDockerDomain. */
function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = slash !== -1 && (first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase());
  if (isHost && first !== DOCKER_HUB && first !== DOCKER_HUB_ALIAS) {
    return { registry: first, repository: name.slice(slash + 1) };
  }
  const path = isHost ? name.slice(slash + 1) : name;
  return { registry: DOCKER_HUB, repository: path.includes('/') ? path : `library/${path}` };
}

function checkRegistry(text: string, registry: string): void {
  const match = HOST_AND_PORT.exec(registry);
  const [host = '', port] = [match?.[1], match?.[2]];
  if (!HOST.test(host) || host.length > MAX_HOST_LENGTH) throw invalid(text, `"${clip(registry)}" is not host[:port]`);
  if (port !== undefined && (Number(port) === 0 || Number(port) > MAX_PORT)) {
    throw invalid(text, `port ${port} is not between 1 and ${MAX_PORT}`);
  }
  // The grammar lets through what no URL can carry, such as the address 1.2.3.999.
  if (!URL.canParse(`https://${registry}/`)) throw invalid(text, `"${clip(registry)}" is not a host`);
}

function checkRepository(text: string, repository: string): void {
  if (repository.length > MAX_REPOSITORY_LENGTH) {
    throw invalid(text, `its repository is longer than ${MAX_REPOSITORY_LENGTH} characters`);
  }
  if (REPOSITORY.test(repository)) return;
  if (repository !== repository.toLowerCase()) throw invalid(text, 'a repository must be lower case');
  throw invalid(
    text,
    `"${clip(repository)}" is not a repository: lower-case letters and digits, joined by one ".", "_", "__" or dashes, in parts joined by "/"`,
  );
}

function clip(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function invalid(text: string, reason: string): LarderError {
  return new LarderError('oci.reference-invalid', `not an image reference: ${JSON.stringify(clip(text))}: ${reason}`);
}
