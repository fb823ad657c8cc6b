import { LarderError } from '../lib/errors.ts';
import { parseDescribeAnswer } from './answers.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';

const CACHE_ID = /^imc-/;
const SNAPSHOT_ID = /^s-[a-z0-9]{20}$/;

/** The snapshot of a cache: named by the cache's id or name, which asks the API, or by its own id, which asks nobody. */
export async function findSnapshotId(io: Io, cache: string): Promise<string> {
  if (SNAPSHOT_ID.test(cache)) return cache;
  const client = await connect(io);
  const filter = CACHE_ID.test(cache) ? { ImageCacheId: cache } : { ImageCacheName: cache };
  const answer = await client.call('DescribeImageCaches', filter, { signal: io.signal });
  const caches = parseDescribeAnswer(answer).ImageCaches;
  const found = caches.find((each) => each.SnapshotId) ?? caches[0];
  if (!found) throw new LarderError('cli.cache-missing', `no image cache ${cache}; larder list shows those there are`);
  if (found.SnapshotId) return found.SnapshotId;
  throw new LarderError('cli.cache-not-ready', `${cache} is ${found.Status} ${found.Progress} and has no snapshot yet`);
}
