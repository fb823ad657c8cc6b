import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BlobStore } from '../../src/blobs/ports.ts';
import { type Digest, digestOfHex } from '../../src/lib/digest.ts';

/** A digest that stands for the number: tests need names, not hashes. */
export function digestOf(number: number): Digest {
  return digestOfHex(number.toString(16).padStart(64, '0'));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const text = (value: string) => Buffer.from(value, 'utf8');
const SNAPSHOT = 's-00000000000000000001';

/** What every BlobStore promises. `readBlob` reads a visible blob in the adapter's own way. */
export function describeBlobContract(
  name: string,
  open: () => Promise<{ blobs: BlobStore; readBlob(diffId: Digest): Promise<Uint8Array>; close(): Promise<void> }>,
): void {
  describe(`blob contract: ${name}`, () => {
    let store: Awaited<ReturnType<typeof open>>;
    let blobs: BlobStore;
    before(async () => {
      store = await open();
      blobs = store.blobs;
    });
    after(() => store.close());

    test('a blob is invisible until it is committed, then whole', async () => {
      const ingest = await blobs.begin();
      await ingest.writev([text('world')], 5);
      await ingest.writev([text('he'), new Uint8Array(0), text('llo')], 0);
      assert.equal(await blobs.size(digestOf(1)), undefined);
      assert.deepEqual(await collect(blobs.list()), []);
      await ingest.commit(digestOf(1), 10);
      assert.equal(await blobs.size(digestOf(1)), 10);
      assert.equal(Buffer.from(await store.readBlob(digestOf(1))).toString(), 'helloworld');
      assert.deepEqual(await collect(blobs.list()), [{ diffId: digestOf(1), bytes: 10 }]);
      await ingest.abort();
      assert.equal(await blobs.size(digestOf(1)), 10, 'abort after commit does nothing');
    });

    test('buffers may be reused once a write settles', async () => {
      const ingest = await blobs.begin();
      const buffer = text('one ');
      await ingest.writev([buffer], 0);
      buffer.set(text('two!'));
      await ingest.writev([buffer], 4);
      await ingest.commit(digestOf(2), 8);
      assert.equal(Buffer.from(await store.readBlob(digestOf(2))).toString(), 'one two!');
    });

    test('more buffers than one system call takes', async () => {
      const ingest = await blobs.begin();
      const buffers = Array.from({ length: 2500 }, (_, index) => Buffer.alloc(3, index % 251));
      await ingest.writev(buffers, 0);
      await ingest.commit(digestOf(3), 7500);
      assert.deepEqual(Buffer.from(await store.readBlob(digestOf(3))), Buffer.concat(buffers));
    });

    test('a scratch file gives back what was written, and is never visible', async () => {
      const ingest = await blobs.begin();
      const scratch = await ingest.scratch();
      await scratch.write(text('world'), 5);
      await scratch.write(text('hello'), 0);
      const bytes = Buffer.alloc(6);
      await scratch.read(bytes, 3);
      assert.equal(bytes.toString(), 'loworl');
      await assert.rejects(scratch.read(bytes, 5), { code: 'blobs.short-read' });
      await ingest.abort();
      assert.deepEqual(await blobs.removeLeftovers(), []);
      await scratch.close();
    });

    test('a blob of the wrong size is refused and leaves nothing', async () => {
      const ingest = await blobs.begin();
      await ingest.writev([text('short')], 0);
      await assert.rejects(ingest.commit(digestOf(4), 6), { code: 'blobs.wrong-size' });
      await ingest.abort();
      assert.equal(await blobs.size(digestOf(4)), undefined);
    });

    test('an aborted blob takes no more writes and is never visible', async () => {
      const ingest = await blobs.begin();
      await ingest.writev([text('gone')], 0);
      await ingest.abort();
      await ingest.abort();
      await assert.rejects(ingest.writev([text('more')], 4), { code: 'blobs.closed' });
      await assert.rejects(ingest.commit(digestOf(5), 4), { code: 'blobs.closed' });
      assert.equal(await blobs.size(digestOf(5)), undefined);
    });

    test('committing a diffID that is there replaces the blob, which another version may have written; two at once end with one', async () => {
      const ingests = await Promise.all([blobs.begin(), blobs.begin()]);
      await Promise.all(ingests.map((ingest) => ingest.writev([text('same')], 0)));
      await Promise.all(ingests.map((ingest) => ingest.commit(digestOf(6), 4)));
      const late = await blobs.begin();
      await late.writev([text('SAME')], 0);
      await late.commit(digestOf(6), 4);
      assert.equal(Buffer.from(await store.readBlob(digestOf(6))).toString(), 'SAME');
    });

    test('a removed blob is gone; removing nothing is fine', async () => {
      const ingest = await blobs.begin();
      await ingest.commit(digestOf(7), 0);
      assert.equal(await blobs.size(digestOf(7)), 0);
      await blobs.remove(digestOf(7));
      await blobs.remove(digestOf(7));
      assert.equal(await blobs.size(digestOf(7)), undefined);
    });

    test('a snapshot is put, replaced, listed and removed', async () => {
      assert.equal(await blobs.getSnapshot(SNAPSHOT), undefined);
      await blobs.putSnapshot(SNAPSHOT, '{"first":"é"}');
      await blobs.putSnapshot(SNAPSHOT, '{}');
      assert.equal(await blobs.getSnapshot(SNAPSHOT), '{}');
      assert.deepEqual(await collect(blobs.listSnapshots()), [SNAPSHOT]);
      await blobs.removeSnapshot(SNAPSHOT);
      await blobs.removeSnapshot(SNAPSHOT);
      assert.equal(await blobs.getSnapshot(SNAPSHOT), undefined);
    });

    test('an id that is not one is refused before anything is touched', async () => {
      for (const id of [
        '',
        '../../etc/passwd',
        's-short',
        `${SNAPSHOT}/x`,
        `${SNAPSHOT}\n`,
        's-0000000000000000000.',
      ]) {
        await assert.rejects(blobs.putSnapshot(id, '{}'), { code: 'blobs.invalid-id' }, id);
        await assert.rejects(blobs.getSnapshot(id), { code: 'blobs.invalid-id' }, id);
        await assert.rejects(blobs.removeSnapshot(id), { code: 'blobs.invalid-id' }, id);
      }
    });

    test('leftovers go, what is visible stays', async () => {
      const visible = (await collect(blobs.list())).length;
      const halfWritten = await blobs.begin();
      await halfWritten.writev([text('half')], 0);
      assert.equal((await blobs.removeLeftovers()).length, 1);
      assert.deepEqual(await blobs.removeLeftovers(), []);
      assert.equal((await collect(blobs.list())).length, visible);
      await halfWritten.abort();
    });
  });
}
