import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOfHex } from '../lib/digest.ts';
import type { BuildUpdate } from '../store/ports.ts';
import { BuildProgress } from './build-progress.ts';

test('the bytes of a layer that is downloaded once more do not go back', async () => {
  const updates: BuildUpdate[] = [];
  const progress = new BuildProgress(async (update) => updates.push(update) > 0);
  const digest = digestOfHex('a'.repeat(64));
  progress.setLayers([{ imageIndex: 0, layerIndex: 0, digest, totalBytes: 100 }]);
  for (const downloadedBytes of [60, 90, 10, 80, 95]) {
    progress.layer(digest, { state: 'pulling', downloadedBytes });
    await progress.flush();
  }
  progress.layer(digest, { state: 'done' });
  await progress.flush();
  assert.deepEqual(
    updates.map(({ layers }) => layers?.[0]?.downloadedBytes),
    [60, 90, 90, 90, 95, 100],
  );
});
