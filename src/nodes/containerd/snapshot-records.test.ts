import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { digestOfHex } from '../../lib/digest.ts';
import { LarderError } from '../../lib/errors.ts';
import { REF_LABEL } from './snapshot-record.ts';
import { SnapshotRecords } from './snapshot-records.ts';

const folder = mkdtempSync(join(tmpdir(), 'larder-records-'));
let files = 0;
const newPath = () => join(folder, `${files++}.db`);
after(() => rmSync(folder, { recursive: true }));

const create = (records: SnapshotRecords, name: string, parent = '', kind: 'view' | 'active' = 'active') =>
  records.create({ number: records.nextNumber(), name, parent, kind, labels: {} });
const commit = (records: SnapshotRecords, key: string, name: string) =>
  records.commit(key, name, { labels: { of: name }, sizeBytes: 7, inodes: 2 });

test('a chain of snapshots, its rules, and what is left after a restart', () => {
  const path = newPath();
  let records = new SnapshotRecords(path, () => 1000);
  create(records, 'a');
  commit(records, 'a', 'A');
  create(records, 'b', 'A');
  commit(records, 'b', 'B');
  create(records, 'c', 'B');
  create(records, 'v', 'B', 'view');
  assert.throws(() => create(records, 'c'), { code: 'snapshots.already-exists' });
  assert.throws(() => create(records, ''), { code: 'snapshots.invalid-argument' });
  assert.throws(() => create(records, 'x', 'nothing'), { code: 'snapshots.not-found' });
  assert.throws(() => create(records, 'x', 'c'), { code: 'snapshots.invalid-argument' });
  assert.throws(() => commit(records, 'v', 'V'), { code: 'snapshots.failed-precondition' });
  assert.throws(() => commit(records, 'c', 'A'), { code: 'snapshots.already-exists' });
  assert.throws(() => commit(records, 'nothing', 'N'), { code: 'snapshots.not-found' });
  assert.throws(() => records.remove('B'), { code: 'snapshots.failed-precondition' });
  assert.throws(() => records.remove('b'), { code: 'snapshots.not-found' });
  assert.throws(() => new SnapshotRecords(path), { code: 'snapshots.locked' });
  records.close();

  records = new SnapshotRecords(path);
  assert.deepEqual(
    records.chain('c').map(({ name }) => name),
    ['c', 'B', 'A'],
  );
  assert.deepEqual(records.get('B'), {
    number: 2,
    name: 'B',
    parent: 'A',
    kind: 'committed',
    labels: { of: 'B' },
    createdAtMs: 1000,
    updatedAtMs: 1000,
    sizeBytes: 7,
    inodes: 2,
    layer: undefined,
  });
  assert.equal(records.nextNumber(), 5);
  for (const name of ['c', 'v', 'B', 'A']) records.remove(name);
  assert.deepEqual(records.list(), []);
  records.close();
});

test('held layers: shared by chains, found by ref and parent, gone with the last snapshot', () => {
  const records = new SnapshotRecords(newPath());
  const layer = { number: records.nextNumber(), blob: digestOfHex('a'.repeat(64)), blobDigest: undefined };
  const held = (ref: string, parent: string) =>
    records.createHeld({ ref, parent, labels: { x: 'y' }, layer, sizeBytes: 9 });
  held('sha256:1', '');
  held('sha256:2', 'sha256:1');
  create(records, 'own');
  commit(records, 'own', 'ns/1/sha256:1');
  held('sha256:2', 'ns/1/sha256:1');
  assert.equal(records.findHeld('sha256:2', 'sha256:1')?.name, 'sha256:2');
  const second = records.findHeld('sha256:2', 'ns/1/sha256:1');
  assert.match(second?.name ?? '', /^sha256:2#\d+$/);
  assert.equal(records.findHeld('sha256:2', ''), undefined);
  assert.deepEqual(records.forgetUnusedLayers(), []);
  records.update('sha256:2', {}, []);
  assert.deepEqual(records.get('sha256:2').labels, { [REF_LABEL]: 'sha256:2' });
  for (const name of [second?.name ?? '', 'sha256:2', 'sha256:1']) records.remove(name);
  assert.deepEqual(records.forgetUnusedLayers(), [layer]);
  assert.deepEqual(records.layers(), []);
  records.close();
});

test('what was unpacked of a held layer is committed as that layer, across restarts', () => {
  const path = newPath();
  let records = new SnapshotRecords(path);
  create(records, 'key');
  const unpacked = records.get('key').number;
  const layer = { number: records.nextNumber(), blob: digestOfHex('b'.repeat(64)), blobDigest: undefined };
  const labels = { [REF_LABEL]: 'sha256:1' };
  records.commit('key', 'ns/2/sha256:1', { labels, sizeBytes: 9, inodes: 1, layer });
  for (const _ of ['now', 'after a restart']) {
    assert.equal(records.findHeld('sha256:1', '')?.name, 'ns/2/sha256:1');
    assert.notEqual(records.get('ns/2/sha256:1').number, unpacked);
    assert.deepEqual(records.layers(), [layer]);
    records.close();
    records = new SnapshotRecords(path);
  }
  create(records, 'child', 'ns/2/sha256:1');
  assert.throws(() => records.remove('ns/2/sha256:1'), { code: 'snapshots.failed-precondition' });
  assert.deepEqual(records.forgetUnusedLayers(), []);
  records.close();
});

test('labels change by path or all together, nothing else does', () => {
  const records = new SnapshotRecords(newPath());
  create(records, 'a');
  assert.deepEqual(records.update('a', { x: '1', y: '2', 'z.z': '3' }, []).labels, { x: '1', y: '2', 'z.z': '3' });
  assert.deepEqual(records.update('a', { x: '4' }, ['labels.x', 'labels.z.z']).labels, { x: '4', y: '2', 'z.z': '' });
  assert.deepEqual(records.update('a', { q: '5' }, ['labels']).labels, { q: '5' });
  assert.throws(() => records.update('a', {}, ['kind']), { code: 'snapshots.invalid-argument' });
  assert.throws(() => records.update('b', {}, []), { code: 'snapshots.not-found' });
  records.close();
});

test('whatever is called, parents exist and are committed, and refusals change nothing', () => {
  const names = fc.constantFrom('a', 'b', 'c', 'A', 'B');
  const call = fc.oneof(
    fc.record({ op: fc.constant('create' as const), name: names, parent: fc.oneof(fc.constant(''), names) }),
    fc.record({ op: fc.constant('view' as const), name: names, parent: fc.oneof(fc.constant(''), names) }),
    fc.record({ op: fc.constant('commit' as const), name: names, parent: names }),
    fc.record({ op: fc.constant('remove' as const), name: names, parent: names }),
  );
  fc.assert(
    fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
      const path = newPath();
      const records = new SnapshotRecords(path);
      for (const { op, name, parent } of calls) {
        const before = records.list();
        try {
          if (op === 'commit') commit(records, parent, name);
          else if (op === 'remove') records.remove(name);
          else create(records, name, parent, op === 'view' ? 'view' : 'active');
        } catch (error) {
          assert.ok(error instanceof LarderError && error.code.startsWith('snapshots.'), String(error));
          assert.deepEqual(records.list(), before);
        }
        for (const each of records.list()) {
          if (each.parent !== '') assert.equal(records.get(each.parent).kind, 'committed');
        }
      }
      const last = records.list();
      records.close();
      const reopened = new SnapshotRecords(path);
      assert.deepEqual(
        reopened.list(),
        last.toSorted((a, b) => a.number - b.number),
      );
      reopened.close();
    }),
    { numRuns: 30 },
  );
});
