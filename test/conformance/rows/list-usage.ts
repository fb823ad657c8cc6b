import assert from 'node:assert/strict';
import { rowsOf } from '../row.ts';
import { one } from '../xml.ts';

const row = rowsOf('ListUsage');
const NONE = [
  'MaxAutoImageCacheCount',
  'UsedAutoImageCacheCount',
  'MaxDataCacheCount',
  'UsedDataCacheCount',
  'MaxCpu',
  'UsedCpu',
];

export const listUsage = [
  row('parameter', 'RegionId', 'is mandatory', async (live) => {
    const client = await live.newClient();
    await client.refused('ListUsage', { RegionId: '' }, { status: 400, code: 'MissingRegionId' });
  }),
  row(
    'field',
    'Attributes.UsedImageCacheCount',
    'counts the image caches of the account in the region',
    async (live) => {
      const client = await live.newClient();
      assert.equal((await client.ok('ListUsage')).Attributes.UsedImageCacheCount, 0);
      await client.create();
      assert.equal((await client.ok('ListUsage')).Attributes.UsedImageCacheCount, 1);
      assert.equal((await client.ok('ListUsage', { RegionId: 'elsewhere' })).Attributes.UsedImageCacheCount, 0);
    },
  ),
  row('field', 'Attributes.MaxImageCacheCount', 'is the quota of the server, or of the account', async (live) => {
    const client = await live.newClient();
    assert.equal((await client.ok('ListUsage')).Attributes.MaxImageCacheCount, 500);
    await live.admin.store.accounts.setMaxImageCaches(client.accountId, 7);
    assert.equal((await client.ok('ListUsage')).Attributes.MaxImageCacheCount, 7);
  }),
  ...NONE.map((name) =>
    row('field', `Attributes.${name}`, 'is 0: this service has none', async (live) => {
      const client = await live.newClient();
      assert.equal((await client.ok('ListUsage')).Attributes[name], 0);
    }),
  ),
  row('format', 'XML', 'one element for each attribute', async (live) => {
    const client = await live.newClient();
    const { xml } = await client.call('ListUsage', {}, { format: 'XML' });
    assert.equal(xml.name, 'ListUsageResponse');
    const attributes = xml.children.find(({ name }) => name === 'Attributes');
    assert.ok(attributes);
    assert.deepEqual([one(attributes, 'MaxImageCacheCount'), one(attributes, 'UsedImageCacheCount')], ['500', '0']);
  }),
];
