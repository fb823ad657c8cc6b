import { z } from 'zod';
import { createTermReader } from '../../caches/index.ts';
import { LarderError } from '../../lib/errors.ts';
import type { SourceClient } from './node-source.ts';

/**
 * How well the best cache serves an image. `hit`: it holds it, in the same version. `partial`: it holds the repository in
 * another version, so that most layers may be there. `miss`: no Ready cache does either.
 */
export type MatchDegree = 'hit' | 'partial' | 'miss';

export type MatchOutcome = {
  readonly Reference: string;
  readonly Result: MatchDegree;
  readonly ImageCacheId?: string;
  readonly ImageCacheName?: string;
  readonly SnapshotId?: string;
  /** The image of the cache that it matched, as its creator wrote it. */
  readonly Image?: string;
};

const answerSchema = z.object({
  ImageCaches: z.array(
    z.object({
      ImageCacheId: z.string(),
      ImageCacheName: z.string(),
      SnapshotId: z.string().optional(),
      Images: z.array(z.string()).default([]),
    }),
  ),
});

/**
 * Asks the server (DescribeImageCaches with MatchImage) for the best cache for one image, among those that the filter lets
 * through. The server notes the use of a cache that holds it, as when a container starts from it. Throws what the client throws, and `agent.bad-reference`.
 */
export async function matchImage(
  client: Pick<SourceClient, 'call'>,
  reference: string,
  signal: AbortSignal,
  filter: { readonly ImageCacheId?: string } = {},
): Promise<MatchOutcome> {
  const read = createTermReader();
  const wanted = read(reference);
  if (wanted === null) throw new LarderError('agent.bad-reference', `${reference} is no image reference`);
  const params = { ...filter, 'MatchImage.1': reference, Limit: '1' };
  const answer = await client.call('DescribeImageCaches', params, { signal });
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success)
    throw new LarderError('agent.bad-answer', "the server's answer is not the ECI API's; check LARDER_ENDPOINT");
  const [best] = parsed.data.ImageCaches;
  if (!best) return { Reference: reference, Result: 'miss' };
  const { ImageCacheId, ImageCacheName, SnapshotId, Images } = best;
  const isSame = (image: string) => read(image)?.held.some(({ text }) => text === wanted.held[0].text) === true;
  const same = Images.find(isSame);
  const image = same ?? Images.find((each) => read(each)?.repository.text === wanted.repository.text);
  return {
    Reference: reference,
    Result: same === undefined ? 'partial' : 'hit',
    ImageCacheId,
    ImageCacheName,
    ...(SnapshotId ? { SnapshotId } : {}),
    ...(image === undefined ? {} : { Image: image }),
  };
}
