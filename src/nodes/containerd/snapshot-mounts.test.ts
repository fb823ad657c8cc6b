import assert from 'node:assert/strict';
import { test } from 'node:test';
import { snapshotMounts } from './snapshot-mounts.ts';
import type { SnapshotRecord } from './snapshot-record.ts';

const folders = { lowers: '/var/lib/larder/containerd/l', works: '/var/lib/larder/containerd/w' };
const parent = (number: number, layer?: number): SnapshotRecord => ({
  number,
  name: `${number}`,
  parent: '',
  kind: 'committed',
  labels: {},
  createdAtMs: 0,
  updatedAtMs: 0,
  sizeBytes: 0,
  inodes: 0,
  layer,
});
const mountsOf = (kind: 'active' | 'view', parents: SnapshotRecord[]) => {
  const [mount, ...more] = snapshotMounts(folders, { number: 99, kind, name: 'x' }, parents);
  assert.deepEqual(more, []);
  return mount;
};
const lowersOf = (kind: 'active' | 'view', parents: SnapshotRecord[]) => {
  const option = mountsOf(kind, parents)?.options.find((each) => each.startsWith('lowerdir='));
  return option
    ?.slice('lowerdir='.length)
    .split(':')
    .map((path) => path.replace(`${folders.lowers}/`, ''));
};

test('without parents it is a bind mount', () => {
  const own = `${folders.lowers}/99`;
  assert.deepEqual(mountsOf('active', []), { type: 'bind', source: own, options: ['rw', 'rbind'] });
  assert.deepEqual(mountsOf('view', []), { type: 'bind', source: own, options: ['ro', 'rbind'] });
});

test('own folders and held layers are stacked, topmost first, each once; a view has its own folder on top', () => {
  const parents = [parent(5), parent(6, 2), parent(7, 3), parent(8, 2)];
  assert.deepEqual(lowersOf('active', parents), ['5', '2', '3']);
  assert.deepEqual(lowersOf('view', parents), ['99', '5', '2', '3']);
  const { options = [] } = mountsOf('active', parents) ?? {};
  assert.ok(options.includes(`upperdir=${folders.lowers}/99`) && options.includes(`workdir=${folders.works}/99`));
  assert.ok(!mountsOf('view', parents)?.options.some((option) => option.startsWith('upperdir')));
});

test('as many as the kernel stacks, and a clear refusal beyond', () => {
  const parents = (count: number, from = 100) => Array.from({ length: count }, (_, place) => parent(from + place));
  assert.equal(lowersOf('active', parents(500, 100_000))?.length, 500);
  // No room for the view's own folder.
  assert.equal(lowersOf('view', parents(500))?.length, 500);
  assert.throws(() => mountsOf('active', parents(501)), { code: 'snapshots.failed-precondition' });
  assert.throws(() => mountsOf('active', parents(500, 10_000_000)), { code: 'snapshots.failed-precondition' });
});
