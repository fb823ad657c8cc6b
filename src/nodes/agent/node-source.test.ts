/** What is asked of the server, and what its answers are taken for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOfHex } from '../../lib/digest.ts';
import { createNodeSource, type SourceClient } from './node-source.ts';

const { signal } = new AbortController();
const cache = (place: number) => ({
  ImageCacheId: `imc-${place}`,
  ImageCacheName: 'web',
  Status: 'Ready',
  Images: ['nginx:1'],
  ...(place === 0 ? {} : { SnapshotId: `s-${place}` }),
});

/** A server with these pages of caches for every filter; remembers what it was asked. */
function pagedClient(pages: object[][]): SourceClient & { asked: Readonly<Record<string, string>>[] } {
  const asked: Readonly<Record<string, string>>[] = [];
  return {
    asked,
    async call(action, params) {
      assert.equal(action, 'DescribeImageCaches');
      asked.push(params);
      const page = Number(params.NextToken ?? 0);
      return { ImageCaches: pages[page] ?? [], NextToken: page + 1 < pages.length ? String(page + 1) : '' };
    },
    openBody: () => assert.fail('no body was to be asked for'),
    openLargeBody: () => assert.fail('no body was to be asked for'),
  };
}

test('every page is read; a cache that several filters find is there once', async () => {
  const client = pagedClient([[cache(0), cache(1)], [cache(2)], [cache(3)]]);
  const { caches, missing } = await createNodeSource(client).choose(
    { caches: ['imc-1', 'web'], tags: ['env=prod', 'node'], all: false },
    signal,
  );
  assert.deepEqual(missing, []);
  assert.deepEqual(
    caches.map(({ id, snapshotId }) => [id, snapshotId]),
    [
      ['imc-0', undefined],
      ['imc-1', 's-1'],
      ['imc-2', 's-2'],
      ['imc-3', 's-3'],
    ],
  );
  const first = client.asked.filter(({ NextToken }) => NextToken === undefined);
  assert.deepEqual(first, [
    { ImageCacheId: 'imc-1', Limit: '50' },
    { ImageCacheName: 'web', Limit: '50' },
    { 'Tag.1.Key': 'env', 'Tag.1.Value': 'prod', 'Tag.2.Key': 'node', Limit: '50' },
  ]);
  assert.equal(client.asked.length, 9);
});

test('what matches nothing is named; all is all', async () => {
  const selection = { caches: ['web'], tags: ['a=b'], all: false };
  assert.deepEqual((await createNodeSource(pagedClient([])).choose(selection, signal)).missing, ['web', 'a=b']);
  const all = pagedClient([[cache(1)]]);
  await createNodeSource(all).choose({ ...selection, all: true }, signal);
  assert.deepEqual(all.asked, [{ Limit: '50' }]);
});

test('an answer that is not the API’s is an error, not an empty list', async () => {
  const client = { ...pagedClient([]), call: async () => ({ hello: 'world' }) };
  const choosing = createNodeSource(client).choose({ caches: [], tags: [], all: true }, signal);
  await assert.rejects(choosing, { code: 'agent.bad-answer' });
});

test('where a blob begins, with ranges and without', async () => {
  const key = digestOfHex('0'.repeat(64));
  const answers = (status: number, headers: [string, string][]): SourceClient => ({
    ...pagedClient([]),
    openBody: () => assert.fail('no manifest was to be asked for'),
    async openLargeBody(path, _query, { range }) {
      assert.equal(path, `/snapshots/s-1/blobs/${key}`);
      assert.equal(range, 'bytes=5-');
      return { status, headers: new Map(headers), bytes: (async function* () {})() };
    },
  });
  const open = async (status: number, headers: [string, string][]) => {
    const { begins, total } = await createNodeSource(answers(status, headers)).openBlob(
      { snapshotId: 's-1', key },
      5,
      signal,
    );
    return [begins, total];
  };
  assert.deepEqual(await open(206, [['content-range', 'bytes 5-9/10']]), [5, 10]);
  assert.deepEqual(await open(200, [['content-length', '10']]), [0, 10]);
  assert.deepEqual(await open(206, [['content-range', 'bytes 5-9/*']]), [Number.NaN, Number.NaN]);
});
