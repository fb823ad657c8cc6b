import assert from 'node:assert/strict';
import { rowsOf } from '../row.ts';
import { all, one } from '../xml.ts';

const row = rowsOf('DescribeEndpoints');
const WIRE = { version: '2015-06-12' } as const;
const PARAMS = { RegionId: '', Id: 'cn-beijing', ServiceCode: 'eci', Type: 'openAPI' };

export const describeEndpoints = [
  row('parameter', 'Id', 'is mandatory, and is the region that comes back', async (live) => {
    const client = await live.newClient();
    await client.refused('DescribeEndpoints', { ...PARAMS, Id: '' }, { status: 400, code: 'MissingId' }, WIRE);
    const { Endpoints } = await client.ok('DescribeEndpoints', PARAMS, WIRE);
    assert.equal(Endpoints.Endpoint[0].Id, 'cn-beijing');
  }),
  row('parameter', 'ServiceCode', 'eci in any case; another service is not known', async (live) => {
    const client = await live.newClient();
    await client.ok('DescribeEndpoints', { ...PARAMS, ServiceCode: 'ECI' }, WIRE);
    const ecs = { ...PARAMS, ServiceCode: 'ecs' };
    await client.refused('DescribeEndpoints', ecs, { status: 400, code: 'InvalidParameter' }, WIRE);
  }),
  row('parameter', 'Type', 'openAPI unless the caller says otherwise; comes back', async (live) => {
    const client = await live.newClient();
    const answer = await client.ok('DescribeEndpoints', { ...PARAMS, Type: '' }, WIRE);
    assert.equal(answer.Endpoints.Endpoint[0].Type, 'openAPI');
  }),
  ...(
    [
      ['Endpoints.Endpoint.Endpoint', 'the address by which the caller reached the server', undefined],
      ['Endpoints.Endpoint.Id', 'the region', 'cn-beijing'],
      ['Endpoints.Endpoint.Namespace', 'empty', ''],
      ['Endpoints.Endpoint.SerivceCode', 'the service, under the name that the vendor misspelt', 'eci'],
      ['Endpoints.Endpoint.Type', 'the kind of endpoint', 'openAPI'],
    ] as const
  ).map(([name, title, value]) =>
    row('field', name, title, async (live) => {
      const client = await live.newClient();
      const { Endpoints } = await client.ok('DescribeEndpoints', PARAMS, WIRE);
      assert.equal(Endpoints.Endpoint.length, 1);
      assert.equal(Endpoints.Endpoint[0][name.split('.')[2] ?? ''], value ?? live.endpoint);
    }),
  ),
  row('field', 'Endpoints.Endpoint.Protocols.Protocols', 'HTTP, as the caller came', async (live) => {
    const client = await live.newClient();
    const { Endpoints } = await client.ok('DescribeEndpoints', PARAMS, WIRE);
    assert.deepEqual(Endpoints.Endpoint[0].Protocols, { Protocols: ['HTTP'] });
  }),
  row('field', 'Success', 'true', async (live) => {
    const client = await live.newClient();
    assert.equal((await client.ok('DescribeEndpoints', PARAMS, WIRE)).Success, true);
  }),
  row('error', 'InvalidParameter', 'names the parameter and what is known', async (live) => {
    const client = await live.newClient();
    const message = 'The specified parameter ServiceCode is invalid, this server knows eci only.';
    const expected = { status: 400, code: 'InvalidParameter', message };
    await client.refused('DescribeEndpoints', { ...PARAMS, ServiceCode: 'ecs' }, expected, WIRE);
  }),
  row('format', 'XML', 'the wrapping elements of the Location service', async (live) => {
    const client = await live.newClient();
    const { xml } = await client.call('DescribeEndpoints', PARAMS, { ...WIRE, format: 'XML' });
    const endpoint = all(xml, 'Endpoints').flatMap((wrapper) => all(wrapper, 'Endpoint'))[0];
    assert.ok(endpoint);
    assert.equal(one(endpoint, 'SerivceCode'), 'eci');
  }),
];
