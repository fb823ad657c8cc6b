import assert from 'node:assert/strict';
import type { Answer, Client, Params } from './client.ts';
import type { Live } from './live.ts';
import { GATEWAY } from './row.ts';
import { SAMPLE_CALLS } from './sample-calls.ts';

export type SampleAnswers = { readonly json: Answer; readonly xml: Answer };

const taken = new WeakMap<Live, Map<string, Promise<SampleAnswers>>>();

/** One answer of each action in both formats, in which every field has a value; taken once for all rows. */
export function sampleAnswers(live: Live, action: string): Promise<SampleAnswers> {
  const byAction = taken.get(live) ?? new Map<string, Promise<SampleAnswers>>();
  taken.set(live, byAction);
  const found = byAction.get(action) ?? take(live, action);
  byAction.set(action, found);
  return found;
}

async function take(live: Live, action: string): Promise<SampleAnswers> {
  const client = await live.newClient();
  if (action === GATEWAY) return takeError(live, client);
  if (action === 'DescribeImageCaches') return takeCaches(live, client);
  const prepare = SAMPLE_CALLS[action] ?? assert.fail(action);
  const first = await prepare(client);
  const json = await client.call(action, first.params, first.wire);
  // What changes something can't be done twice.
  const isRead = /^(Describe|List)/.test(action);
  const { params, wire } = isRead ? first : await prepare(client);
  const xml = await client.call(action, params, { ...wire, format: 'XML' });
  assert.deepEqual([json.status, xml.status], [200, 200], json.body + xml.body);
  return { json, xml };
}

/** Two caches with everything that a cache can have, and the same page in both formats. */
async function takeCaches(live: Live, client: Client): Promise<SampleAnswers> {
  const Image = [live.image, live.otherImage];
  const one: Params = {
    ImageCacheName: 'sample <&> "ü"',
    Image,
    ImageCacheSize: 30,
    RetentionDays: 7,
    EliminationStrategy: 'LRU',
    ResourceGroupId: 'rg-sample',
    Tag: [
      { Key: 'imc', Value: 'test' },
      { Key: 'empty', Value: '' },
    ],
  };
  await client.create(one);
  const ids = [await client.create(one), await client.create({ ...one, ImageCacheName: 'second' })];
  // Each is the only one of its group, so each is a first match and counts as used.
  for (const [index, ImageCacheId] of ids.entries()) {
    const ResourceGroupId = `rg-sample-${index}`;
    await client.ok('UpdateImageCache', { ImageCacheId, ResourceGroupId });
    await client.ok('DescribeImageCaches', { MatchImage: Image, ResourceGroupId });
    await client.until(async () => (await client.cache(ImageCacheId)).LastMatchedTime !== undefined);
  }
  const json = await client.call('DescribeImageCaches', { Limit: 2 });
  const xml = await client.call('DescribeImageCaches', { Limit: 2 }, { format: 'XML' });
  return { json, xml };
}

/** A refusal by RAM, which has every field that an error can have. */
async function takeError(live: Live, client: Client): Promise<SampleAnswers> {
  const user = await live.newUser(client, 'powerless');
  const json = await user.call('DescribeImageCaches');
  const xml = await user.call('DescribeImageCaches', {}, { format: 'XML' });
  return { json, xml };
}
