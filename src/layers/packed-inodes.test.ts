import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { convertTar, describeBlob, type MemorySink, memoryScratch, memorySink } from './testing/memory.ts';
import { type TestEntry, tarOf } from './testing/tar-writer.ts';

const file = (path: string, data: Buffer, more: Partial<TestEntry> = {}): TestEntry => ({ path, data, ...more });
/** Bytes that differ from file to file, and within one. */
const contentOf = (seed: number, size: number) => Buffer.alloc(size, `${seed} ${seed * 7919}`);

/** A sink that counts scratch files, and fails in them where it is told to. */
function countingSink(failAt?: 'open' | 'write' | 'read') {
  const counts = { opened: 0, closed: 0, writtenBytes: 0 };
  const failing = (at: typeof failAt) => {
    if (at === failAt) throw new Error(`no ${at}`);
  };
  const sink: MemorySink = {
    ...memorySink(),
    async scratch() {
      failing('open');
      counts.opened++;
      const scratch = await memoryScratch();
      return {
        async write(bytes, position) {
          failing('write');
          counts.writtenBytes += bytes.length;
          await scratch.write(bytes, position);
        },
        async read(into, position) {
          failing('read');
          await scratch.read(into, position);
        },
        async close() {
          counts.closed++;
        },
      };
    },
  };
  return { sink, counts };
}

test('files of any size come back, whatever is linked and replaced', async () => {
  const size = fc.oneof(
    fc.nat(9000),
    fc.constantFrom(0, 1, 3071, 3072, 3073, 4032, 4033, 4095, 4096, 4097, 7168, 7169),
  );
  const entry = fc.record({
    name: fc.nat(20),
    size,
    linkTo: fc.option(fc.nat(20), { freq: 3 }),
    xattr: fc.option(fc.nat(3000)),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 60 }), async (list) => {
      const inodes = new Map<string, Buffer>();
      const entries = list.map(({ name, size: bytes, linkTo, xattr }, index): TestEntry => {
        const target = inodes.get(`${linkTo}`);
        if (target) {
          inodes.set(`${name}`, target);
          return { path: `${name}`, type: '1', linkPath: `${linkTo}` };
        }
        const data = contentOf(index, bytes);
        inodes.set(`${name}`, data);
        return file(`${name}`, data, xattr === null ? {} : { pax: { 'SCHILY.xattr.user.a': 'v'.repeat(xattr) } });
      });
      const { blob, contentBytes } = await convertTar(tarOf(entries));
      const tree = await describeBlob(blob);
      for (const [path, data] of inodes) {
        assert.equal(tree[path]?.content, data.toString('latin1'), path);
        assert.equal(tree[path].links, [...inodes.values()].filter((other) => other === data).length, path);
      }
      assert.equal(
        contentBytes,
        new Set(inodes.values()).values().reduce((sum, { length }) => sum + length, 0),
      );
    }),
    { numRuns: 100 },
  );
});

test('many small files take hardly more than their bytes; those that memory does not hold wait in a scratch file', async () => {
  const sizes = Array.from({ length: 4000 }, (_, index) => 200 + ((index * 1637) % 2800));
  const entries = sizes.map((size, index) => file(`${index}`, contentOf(index, size)));
  const { sink, counts } = countingSink();
  const { blob, blobBytes, contentBytes } = await convertTar(tarOf(entries), { sink });
  const tree = await describeBlob(blob);
  for (const [index, size] of sizes.entries()) {
    assert.equal(tree[index]?.content, contentOf(index, size).toString('latin1'), `file ${index}`);
  }
  const inodeBytes = 90 * sizes.length;
  assert.ok(
    blobBytes < 1.05 * (contentBytes + inodeBytes),
    `${blobBytes} for ${contentBytes} in ${sizes.length} files`,
  );
  assert.ok(counts.writtenBytes > 2 ** 21, `${counts.writtenBytes} in the scratch file`);
  assert.deepEqual([counts.opened, counts.closed], [1, 1]);
  const small = countingSink();
  await convertTar(tarOf(entries.slice(0, 500)), { sink: small.sink });
  assert.equal(small.counts.opened, 0);
});

test('a layer whose scratch file fails is refused with its error, and the file is closed', async () => {
  const tar = tarOf(Array.from({ length: 3000 }, (_, index) => file(`${index}`, contentOf(index, 2500))));
  for (const at of ['open', 'write', 'read'] as const) {
    const { sink, counts } = countingSink(at);
    await assert.rejects(convertTar(tar, { sink }), { message: `no ${at}` });
    assert.equal(counts.closed, counts.opened, at);
  }
  const { sink, counts } = countingSink();
  await assert.rejects(convertTar(Buffer.concat([tar.subarray(0, -2000), Buffer.alloc(50, 1)]), { sink }));
  assert.deepEqual([counts.opened, counts.closed], [1, 1]);
});

test('tails count for what a blob may become', async () => {
  const tar = tarOf(Array.from({ length: 1000 }, (_, index) => file(`${index}`, contentOf(index, 2500))));
  let reserved = 0;
  const { blobBytes } = await convertTar(tar, {
    sink: { ...memorySink(), reserve: (bytes) => (reserved = Math.max(reserved, bytes)) },
  });
  assert.ok(reserved > 2_500_000 && reserved <= blobBytes, `${reserved} of ${blobBytes}`);
});

test('a blob has its last byte, when files of zeros that were replaced were the last of it', async () => {
  const names = Array.from({ length: 50 }, (_, index) => `${index}`);
  const zeros = names.map((name) => file(name, Buffer.alloc(3000)));
  const symlinks = names.map((path): TestEntry => ({ path, type: '2', linkPath: 'x' }));
  const { blob, blobBytes } = await convertTar(tarOf([...zeros, ...symlinks]));
  assert.equal(blob.length, blobBytes);
  assert.ok(blobBytes < 50 * 4096, 'blocks that nobody names are left out');
});
