import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildProgress } from './answers.ts';
import type { ApiClient } from './connect.ts';
import { failureReason, followBuild } from './follow-build.ts';
import { summarise } from './progress-view.ts';

const ID = 'imc-1';
const { signal } = new AbortController();

function answerOf(status: string) {
  const events = [
    { Type: 'Normal', Reason: 'Pulling', Message: 'pulling', Count: 1, LastTimestamp: '' },
    { Type: 'Warning', Reason: 'Failed', Message: 'no such tag', Count: 1, LastTimestamp: '' },
    { Type: 'Warning', Reason: 'Failed', Message: 'gave up', Count: 1, LastTimestamp: '' },
    { Type: 'Normal', Reason: 'Ended', Message: 'ended', Count: 1, LastTimestamp: '' },
  ];
  return { RequestId: 'R', ImageCaches: [{ ImageCacheId: ID, ImageCacheName: 'n', Status: status, Events: events }] };
}

/** An API whose answers and stream are given, each used once, in order. */
function fakeClient(answers: unknown[], messages: unknown[], broken = false): ApiClient {
  return {
    call: () => Promise.resolve(answers.shift()),
    async *openEvents() {
      yield* messages;
      if (broken) throw new Error('connection reset');
    },
  };
}

function recordingView() {
  const shown: string[] = [];
  let stops = 0;
  return {
    shown,
    stops: () => stops,
    view: {
      show: (progress: BuildProgress) => shown.push(progress.Status),
      stop: () => {
        stops++;
      },
    },
  };
}

test('the stream feeds the view, and the last answer is DescribeImageCaches', async () => {
  const { view, shown, stops } = recordingView();
  const messages = ['Creating', 'Ready'].map((Status) => ({ Status, Progress: '', Layers: [] }));
  const { cache, answer } = await followBuild({
    client: fakeClient([answerOf('Ready')], messages),
    imageCacheId: ID,
    view,
    signal,
  });
  assert.equal(cache.Status, 'Ready');
  assert.deepEqual(answer, answerOf('Ready'));
  assert.deepEqual(shown, ['Creating', 'Ready']);
  assert.equal(stops(), 1);
});

test('when the stream breaks off or speaks another language, polling goes on', async () => {
  for (const messages of [[], [{ nonsense: true }]]) {
    const { view, shown, stops } = recordingView();
    const client = fakeClient([answerOf('Creating'), answerOf('Failed')], messages, true);
    const { cache } = await followBuild({ client, imageCacheId: ID, view, signal });
    assert.equal(failureReason(cache), 'no such tag; gave up');
    assert.deepEqual(shown, ['Creating']);
    assert.equal(stops(), 1);
  }
});

test('a cache that is deleted meanwhile, and an abort, end it', async () => {
  const gone = fakeClient([{ ImageCaches: [] }], []);
  await assert.rejects(followBuild({ client: gone, imageCacheId: ID, signal }), { code: 'cli.cache-gone' });
  const controller = new AbortController();
  const { view, stops } = recordingView();
  const waiting = followBuild({
    client: fakeClient([answerOf('Creating')], []),
    imageCacheId: ID,
    view,
    signal: controller.signal,
  });
  controller.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  assert.equal(stops(), 1);
});

test('progress in a line', () => {
  const layer = { Image: 'a', ImageIndex: 0, LayerIndex: 0, Digest: 'sha256:0' };
  const Layers: BuildProgress['Layers'] = [
    { ...layer, DownloadedBytes: 2000, TotalBytes: 2000, State: 'done' },
    { ...layer, DownloadedBytes: 500, TotalBytes: 4000, State: 'pulling' },
  ];
  assert.equal(
    summarise({ Status: 'Creating', Progress: '41%', Layers }),
    'Creating 41%, layers 1 of 2, 2.5 kB of 6.0 kB',
  );
  assert.equal(summarise({ Status: 'Preparing', Progress: '0%', Layers: [] }), 'Preparing 0%');
});
