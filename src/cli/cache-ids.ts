import { LarderError } from '../lib/errors.ts';
import { parseDescribeAnswer } from './answers.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';

const ID = /^(imc|s)-[0-9a-z]{20}$/;

/** Names are looked up at the server, ids are not: a node may have them where the server is away. */
export async function cacheIds(io: Io, picks: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const pick of picks) {
    if (ID.test(pick)) {
      ids.push(pick);
      continue;
    }
    const client = await connect(io);
    const answer = await client.call('DescribeImageCaches', { ImageCacheName: pick }, { signal: io.signal });
    const found = parseDescribeAnswer(answer).ImageCaches.filter((cache) => cache.ImageCacheName === pick);
    if (found.length === 0)
      throw new LarderError('cli.cache-missing', `no image cache ${pick}; larder list shows those there are`);
    ids.push(...found.map((cache) => cache.ImageCacheId));
  }
  return ids;
}
