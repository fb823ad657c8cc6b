import { LarderError } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/format.ts';
import { type MatchOutcome, matchImage } from './match-images.ts';
import type { SourceClient } from './node-source.ts';
import type { SnapshotFetches } from './snapshot-fetches.ts';

/** Why an image can't be attached, with what the server knows of it: the next step is to choose its cache. */
export async function notLocal(
  client: SourceClient,
  reference: string,
  { fetches, signal }: { fetches: SnapshotFetches; signal: AbortSignal | undefined },
): Promise<LarderError> {
  const coming = [...fetches.all.values()].find(({ cache }) => cache.images.includes(reference));
  if (coming) {
    const bytes = (coming.wanted ?? []).reduce((sum, blob) => sum + blob.bytes, 0);
    const reason = coming.error ?? `${formatBytes(bytes)} are on their way`;
    return new LarderError('agent.not-local', `${reference} is not here yet: ${coming.cache.id}: ${reason}`);
  }
  const outcome = await matchImage(client, reference, signal ?? new AbortController().signal).catch(() => undefined);
  return new LarderError('agent.not-local', `${reference} is not on this node; ${advice(outcome)}`);
}

function advice(outcome: MatchOutcome | undefined): string {
  if (outcome === undefined) return 'the server could not be asked for it';
  if (outcome.Result === 'miss') return 'no image cache holds it: make one with larder create';
  const { ImageCacheId: id } = outcome;
  return outcome.Result === 'hit'
    ? `${id} holds it: choose that with larder node run --cache ${id}`
    : `${id} holds another version of it, ${outcome.Image}`;
}
