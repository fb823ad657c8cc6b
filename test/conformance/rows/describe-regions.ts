import assert from 'node:assert/strict';
import { rowsOf } from '../row.ts';
import { all, one } from '../xml.ts';

const row = rowsOf('DescribeRegions');

export const describeRegions = [
  row('parameter', 'RegionId', 'is not needed, and leaves only that region', async (live) => {
    const client = await live.newClient();
    await client.create({ RegionId: 'elsewhere' });
    const ids = async (RegionId: string) => {
      const { Regions } = await client.ok('DescribeRegions', { RegionId });
      return Regions.map((region: { RegionId: string }) => region.RegionId);
    };
    assert.deepEqual(await ids(''), ['cn-hangzhou', 'elsewhere']);
    assert.deepEqual(await ids('elsewhere'), ['elsewhere']);
    assert.deepEqual(await ids('nowhere'), []);
  }),
  row('field', 'Regions.RegionId', 'the region of the server', async (live) => {
    const client = await live.newClient();
    const { Regions } = await client.ok('DescribeRegions');
    assert.equal(Regions[0].RegionId, live.regionId);
  }),
  row('field', 'Regions.RegionEndpoint', 'the address by which the caller reached the server', async (live) => {
    const client = await live.newClient();
    assert.equal((await client.ok('DescribeRegions')).Regions[0].RegionEndpoint, live.endpoint);
  }),
  row('field', 'Regions.Zones', 'one zone stands for the installation', async (live) => {
    const client = await live.newClient();
    assert.deepEqual((await client.ok('DescribeRegions')).Regions[0].Zones, ['cn-hangzhou-a']);
  }),
  row('field', 'Regions.RecommendZones', 'the same zone', async (live) => {
    const client = await live.newClient();
    assert.deepEqual((await client.ok('DescribeRegions')).Regions[0].RecommendZones, ['cn-hangzhou-a']);
  }),
  row('field', 'Regions.UnavailableZones', 'none', async (live) => {
    const client = await live.newClient();
    assert.deepEqual((await client.ok('DescribeRegions')).Regions[0].UnavailableZones, []);
  }),
  row('format', 'XML', 'one Regions element a region, with one Zones element a zone', async (live) => {
    const client = await live.newClient();
    const { xml } = await client.call('DescribeRegions', {}, { format: 'XML' });
    assert.equal(xml.name, 'DescribeRegionsResponse');
    const [region] = all(xml, 'Regions');
    assert.ok(region);
    assert.deepEqual([one(region, 'RegionId'), one(region, 'Zones')], ['cn-hangzhou', 'cn-hangzhou-a']);
    assert.deepEqual(all(region, 'UnavailableZones'), [], 'an empty list has no element');
  }),
];
