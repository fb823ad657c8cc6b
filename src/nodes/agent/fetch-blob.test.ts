/** One blob, from a source that breaks off, lies, or fills the disk. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { requireRoot } from '../../../test/support/requirements.ts';
import { digestOfHex } from '../../lib/digest.ts';
import { LarderError } from '../../lib/errors.ts';
import { createHashThread } from '../../lib/hash-thread.ts';
import { PIECE_BYTES, PieceDigest } from '../../lib/piece-digest.ts';
import { layerFileOf } from '../index.ts';
import { type FetchBlobOptions, fetchBlob } from './fetch-blob.ts';
import type { BlobBytes } from './node-source.ts';
import type { WantedBlob } from './wanted-blobs.ts';

const content = randomBytes(3 * PIECE_BYTES + 12_345);
const blob = blobOf(content);
const hashing = createHashThread((bytes) => Buffer.from(new SharedArrayBuffer(bytes)));
let home: string;
let folders = 0;

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'larder-fetch-'));
});
after(() => rm(home, { recursive: true }));

function blobOf(bytes: Buffer): WantedBlob {
  const pieces = new PieceDigest();
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    pieces.setPiece(at / PIECE_BYTES, bytes.subarray(at, at + PIECE_BYTES));
  return { key: digestOfHex(hash('sha256', bytes)), bytes: bytes.length, blobDigest: pieces.digest() };
}

type Open = (from: number) => Partial<BlobBytes> & { send: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array> };

async function fetch(
  open: Open,
  { data = join(home, `${++folders}`), ...change }: Partial<FetchBlobOptions> & { data?: string } = {},
) {
  await mkdir(data, { recursive: true });
  const progress: number[] = [];
  const options: FetchBlobOptions = {
    dataDirectory: data,
    async open(from) {
      const { begins = from, total = content.length, send } = open(from);
      return { begins, total, bytes: iterate(send()) };
    },
    onBytes: (have) => progress.push(have),
    hashing,
    signal: new AbortController().signal,
    baseDelayMs: 1,
    ...change,
  };
  const path = layerFileOf(data, blob.key);
  return { data, path, progress, outcome: await fetchBlob(blob, options).catch((error: unknown) => error) };
}

async function* iterate(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* bytes;
}

const broken = () => new LarderError('client.connection-failed', 'broken');
const codeOf = (error: unknown) => (error instanceof LarderError ? error.code : error);

async function assertThere(path: string): Promise<void> {
  assert.ok((await readFile(path)).equals(content));
  assert.equal((await stat(path)).mtimeMs, 0);
  assert.ok(!existsSync(`${path}.part`));
}

test('however the connection breaks, the blob comes whole, and no more is asked for than a piece again', async () => {
  const cut = fc.record({
    bytes: fc.nat({ max: content.length }),
    chunk: fc.integer({ min: 1000, max: 2 * PIECE_BYTES }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(cut, { maxLength: 4 }), fc.boolean(), async (cuts, knowsRanges) => {
      let place = 0;
      let asked = 0;
      let reached = 0;
      const { path, outcome, data } = await fetch((from) => {
        const { bytes, chunk } = cuts[place++] ?? { bytes: content.length, chunk: 65_536 };
        const begins = knowsRanges ? from : 0;
        assert.ok(from > reached - PIECE_BYTES || from === reached, `asked again from ${from}, had ${reached}`);
        asked++;
        const end = Math.min(begins + bytes, content.length);
        function* send() {
          for (let at = begins; at < end; at += chunk) yield content.subarray(at, Math.min(at + chunk, end));
          if (knowsRanges) reached = Math.max(reached, end);
          if (end < content.length) throw broken();
        }
        return { begins, send };
      });
      assert.equal(outcome, 'downloaded');
      assert.ok(asked <= cuts.length + 1);
      await assertThere(path);
      await rm(data, { recursive: true });
    }),
    { numRuns: 25 },
  );
});

test('what an earlier process left is gone on with; where it is wrong, all comes again', async () => {
  for (const isRight of [true, false]) {
    const data = join(home, `${++folders}`);
    const part = `${layerFileOf(data, blob.key)}.part`;
    await mkdir(dirname(part), { recursive: true });
    const left = Buffer.from(content.subarray(0, 2 * PIECE_BYTES + 99));
    if (!isRight) left.writeUInt8(left.readUInt8(5) ^ 1, 5);
    await writeFile(part, left);
    const froms: number[] = [];
    const { path, outcome } = await fetch(
      (from) => {
        froms.push(from);
        return { send: () => [content.subarray(from)] };
      },
      { data },
    );
    assert.equal(outcome, 'downloaded');
    assert.deepEqual(froms, isRight ? [2 * PIECE_BYTES] : [2 * PIECE_BYTES, 0]);
    await assertThere(path);
  }
});

test('what is there is taken, marked again where it lost its mark, and replaced where it is wrong', async () => {
  const { data, path } = await fetch(() => ({ send: () => [content] }));
  const none: Open = () => assert.fail('it was asked for');
  assert.equal((await fetch(none, { data })).outcome, 'present');
  await writeFile(path, content);
  assert.equal((await fetch(none, { data })).outcome, 'present');
  await assertThere(path);
  await writeFile(path, content.subarray(1));
  assert.equal((await fetch(() => ({ send: () => [content] }), { data })).outcome, 'downloaded');
  await assertThere(path);
});

test('a source that lies is not believed, and nothing is published', async () => {
  const wrong = Buffer.from(content);
  wrong.writeUInt8(wrong.readUInt8(PIECE_BYTES) ^ 1, PIECE_BYTES);
  const cases: [string, Open][] = [
    ['agent.blob-differs', () => ({ begins: 0, send: () => [wrong] })],
    ['agent.bad-answer', () => ({ send: () => [content, Buffer.from('x')] })],
    ['agent.bad-answer', () => ({ total: 5, send: () => [content] })],
    ['agent.bad-answer', (from) => ({ begins: from + 1, send: () => [content] })],
    ['client.connection-failed', () => ({ send: () => [] })],
  ];
  for (const [code, open] of cases) {
    const { path, outcome } = await fetch(open);
    assert.equal(codeOf(outcome), code);
    assert.ok(!existsSync(path));
  }
});

test('a refusal is final, an overloaded server is not', async () => {
  const refusal = (status: number) => new LarderError('client.api-error', 'no', { facts: { status, apiCode: 'X' } });
  let asked = 0;
  const answer = (status: number) => () => {
    asked++;
    throw refusal(status);
  };
  assert.equal(codeOf((await fetch(answer(403))).outcome), 'client.api-error');
  assert.equal(asked, 1);
  asked = 0;
  await fetch(answer(503));
  assert.equal(asked, 5);
});

test('an abort keeps what is there', async () => {
  const abort = new AbortController();
  const { path, outcome } = await fetch(
    () => ({
      async *send() {
        yield content.subarray(0, 2 * PIECE_BYTES);
        abort.abort(new Error('stopped'));
        throw broken();
      },
    }),
    { signal: abort.signal },
  );
  assert.match(String(outcome), /stopped/);
  assert.equal((await stat(`${path}.part`)).size, 2 * PIECE_BYTES);
});

test('a disk that fills up in the middle: an error that says so, and its space is given back', async (t) => {
  if (!requireRoot(t)) return;
  const data = join(home, `${++folders}`);
  await mkdir(data);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=21m', 'tmpfs', data]);
  t.after(() => execFileSync('umount', [data]));
  const { path, outcome } = await fetch(
    () => ({
      async *send() {
        yield content.subarray(0, PIECE_BYTES);
        // Somebody else's.
        await writeFile(join(data, 'filler'), Buffer.alloc(20 * PIECE_BYTES - 65_536));
        yield content.subarray(PIECE_BYTES);
      },
    }),
    { data },
  );
  assert.equal(codeOf(outcome), 'agent.no-space');
  assert.ok(!existsSync(path) && !existsSync(`${path}.part`));
});
