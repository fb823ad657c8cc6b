import { allOrAbort } from '../lib/all-or-abort.ts';
import { describeError, LarderError } from '../lib/errors.ts';
import { createLimit } from '../lib/limit.ts';
import { type ImageReference, type Platform, parseReference } from '../oci/index.ts';
import type { RegistryClient, ResolvedImage } from '../registry/index.ts';
import { RESOLVES_AT_ONCE } from './services.ts';

/** An image of the cache, with the reference as its caller wrote it. */
export type BuildImage = {
  readonly given: string;
  readonly reference: ImageReference;
  readonly resolved: ResolvedImage;
};

/** Resolves every reference to its platform's manifest and config, verified. Throws `builds.pull-failed`, naming the image. */
export async function resolveImages(
  images: readonly string[],
  from: { client: RegistryClient; platform: Platform },
  signal: AbortSignal,
): Promise<BuildImage[]> {
  const limit = createLimit(RESOLVES_AT_ONCE);
  const tasks = images.map((given) => (either: AbortSignal) => limit(() => resolveOne(given, from, either), either));
  return allOrAbort(tasks, signal);
}

async function resolveOne(
  given: string,
  from: { client: RegistryClient; platform: Platform },
  signal: AbortSignal,
): Promise<BuildImage> {
  try {
    const reference = parseReference(given);
    const resolved = await from.client.resolve(reference, from.platform, signal);
    return { given, reference, resolved };
  } catch (error) {
    signal.throwIfAborted();
    throw pullFailed(given, error);
  }
}

/** Names the image in front of the cause; the code of the cause stays in the facts. */
export function pullFailed(image: string, cause: unknown, where = ''): LarderError {
  const code = cause instanceof LarderError ? cause.code : 'unknown';
  const message = `Failed to pull image ${image}${where}: ${describeError(cause)}`;
  return new LarderError('builds.pull-failed', message, { cause, facts: { image, code } });
}
