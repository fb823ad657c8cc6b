import assert from 'node:assert/strict';
import { rowsOf } from '../row.ts';

const row = rowsOf('DeleteImageCache');
const NOT_FOUND = { status: 404, code: 'InvalidParameter.NotFound' };

export const deleteImageCache = [
  row('parameter', 'RegionId', 'is mandatory, and a cache is deleted in its region only', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    await client.refused('DeleteImageCache', { ImageCacheId, RegionId: '' }, { status: 400, code: 'MissingRegionId' });
    await client.refused('DeleteImageCache', { ImageCacheId, RegionId: 'elsewhere' }, NOT_FOUND);
    assert.ok(await client.cache(ImageCacheId));
  }),
  row(
    'parameter',
    'ImageCacheId',
    'is mandatory; the cache is gone at once, with RequestId alone as the answer',
    async (live) => {
      const client = await live.newClient();
      await client.refused('DeleteImageCache', {}, { status: 400, code: 'MissingImageCacheId' });
      const ImageCacheId = await client.create();
      assert.deepEqual(Object.keys(await client.ok('DeleteImageCache', { ImageCacheId })), ['RequestId']);
      assert.equal(await client.cache(ImageCacheId), undefined);
    },
  ),
  row(
    'parameter',
    'ImageCacheId',
    'in any state: a build under way is cancelled, a failed cache goes',
    async (live) => {
      const client = await live.newClient();
      const { ImageCacheId } = await client.ok('CreateImageCache', { ImageCacheName: 'x', Image: [live.image] });
      await client.ok('DeleteImageCache', { ImageCacheId });
      assert.equal(await client.cache(ImageCacheId), undefined);
      const failed = await client.create({ Image: [live.missingImage] });
      await client.ok('DeleteImageCache', { ImageCacheId: failed });
      assert.equal(await client.cache(failed), undefined);
    },
  ),
  row('parameter', 'ClientToken', 'the same call again succeeds again; up to 64 ASCII characters', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    const first = await client.ok('DeleteImageCache', { ImageCacheId, ClientToken: 'once' });
    const again = await client.ok('DeleteImageCache', { ImageCacheId, ClientToken: 'once' });
    assert.notEqual(again.RequestId, first.RequestId);
    const long = { ImageCacheId, ClientToken: 'x'.repeat(65) };
    await client.refused('DeleteImageCache', long, { status: 400, code: 'InvalidParameter.LengthExceeded' });
  }),
  row('error', 'InvalidParameter.NotFound', 'a cache that is not there, or is another account’s', async (live) => {
    const client = await live.newClient();
    const message = 'The specified ImageCacheId imc-unknown does not exist.';
    await client.refused('DeleteImageCache', { ImageCacheId: 'imc-unknown' }, { ...NOT_FOUND, message });
    const other = await (await live.newClient()).create();
    await client.refused('DeleteImageCache', { ImageCacheId: other }, NOT_FOUND);
  }),
  row('error', 'IdempotentParameterMismatch', 'the token of another deletion', async (live) => {
    const client = await live.newClient();
    await client.ok('DeleteImageCache', { ImageCacheId: await client.create(), ClientToken: 't' });
    const other = { ImageCacheId: await client.create(), ClientToken: 't' };
    await client.refused('DeleteImageCache', other, { status: 400, code: 'IdempotentParameterMismatch' });
  }),
  row('parameter', 'ClientToken', 'of calls at once one is made; the others get its result, or wait', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), ClientToken: 'running' };
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.call('DeleteImageCache', params)));
    const outcomes = answers.map((answer) => (answer.status === 200 ? 'done' : answer.json.Code));
    assert.ok(
      outcomes.every((code) => code === 'done' || code === 'LastTokenProcessing'),
      outcomes.join(),
    );
    assert.ok(outcomes.includes('done'));
  }),
  row('error', 'DryRunOperation', 'says that the cache would be deleted, and leaves it', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    const expected = {
      status: 400,
      code: 'DryRunOperation',
      message: 'Request validation has been passed with DryRun flag set.',
    };
    await client.refused('DeleteImageCache', { ImageCacheId, DryRun: 'true' }, expected);
    await client.refused('DeleteImageCache', { ImageCacheId: 'imc-unknown', DryRun: 'true' }, NOT_FOUND);
    assert.ok(await client.cache(ImageCacheId));
  }),
  row('format', 'XML', 'a root element with the RequestId', async (live) => {
    const client = await live.newClient();
    const { xml } = await client.call('DeleteImageCache', { ImageCacheId: await client.create() }, { format: 'XML' });
    assert.deepEqual([xml.name, xml.children.map(({ name }) => name)], ['DeleteImageCacheResponse', ['RequestId']]);
  }),
];
