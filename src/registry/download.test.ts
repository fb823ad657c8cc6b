import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { collect, quickClient, WAYS } from '../../test/support/registry-client.ts';
import { sha256 } from '../../test/support/registry-image.ts';
import {
  type Script,
  type ScriptedRegistry,
  type Step,
  startScriptedRegistry,
} from '../../test/support/scripted-registry.ts';
import { parseReference } from '../oci/index.ts';
import type { RegistryClientOptions } from './index.ts';

const signal = new AbortController().signal;
const layer = randomBytes(20_000);
const descriptor = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: sha256(layer),
  size: layer.byteLength,
};

/** A registry with the layer that does these things to the first requests for it, and is right after them. */
async function registryWith(script: readonly Step[] | Script): Promise<ScriptedRegistry> {
  const registry = await startScriptedRegistry();
  registry.putBlob(layer);
  registry.script('/blobs/', typeof script === 'function' ? script : (_, n) => script[n]);
  return registry;
}

const rangesOf = (registry: ScriptedRegistry) =>
  registry.requests.filter(({ path }) => path.includes('/blobs/')).map(({ headers }) => headers.range);

for (const { way, ownConnectionBytes } of WAYS) {
  describe(`openLayer over ${way}`, () => {
    const isOwn = ownConnectionBytes === 0;

    async function download(registry: ScriptedRegistry, options: RegistryClientOptions = {}): Promise<Buffer> {
      await using client = quickClient({ ...options, download: { ownConnectionBytes, ...options.download } });
      return await collect(client.openLayer(parseReference(`${registry.host}/team/app`), descriptor, { signal }));
    }

    const passing: readonly { name: string; steps: readonly Step[]; ranges: readonly (string | undefined)[] }[] = [
      { name: 'nothing wrong', steps: [], ranges: [undefined] },
      { name: 'no Content-Length', steps: [{ chunked: true }], ranges: [undefined] },
      { name: 'a cut', steps: [{ cutAfter: 5000 }], ranges: [undefined, 'bytes=5000-'] },
      {
        name: 'a cut without Content-Length',
        steps: [{ cutAfter: 5000, chunked: true }],
        ranges: [undefined, 'bytes=5000-'],
      },
      { name: 'a cut before the first byte', steps: [{ cutAfter: 0 }], ranges: [undefined, undefined] },
      { name: 'a stall', steps: [{ stallAfter: 7000 }], ranges: [undefined, 'bytes=7000-'] },
      { name: '500 and 503', steps: [{ status: 500 }, { status: 503 }], ranges: [undefined, undefined, undefined] },
      {
        name: '429 in the middle',
        steps: [{ cutAfter: 1 }, { status: 429, headers: { 'retry-after': '0' } }],
        ranges: [undefined, 'bytes=1-', 'bytes=1-'],
      },
      {
        name: 'a range that is ignored',
        steps: [{ cutAfter: 9000 }, { ignoreRange: true }],
        ranges: [undefined, 'bytes=9000-'],
      },
      {
        name: 'a range that is ignored, and cut again before and behind the byte reached',
        steps: [{ cutAfter: 9000 }, { ignoreRange: true, cutAfter: 4000 }, { ignoreRange: true, cutAfter: 12_000 }],
        ranges: [undefined, 'bytes=9000-', 'bytes=9000-', 'bytes=12000-'],
      },
      {
        name: 'more failures than attempts, with progress between them',
        steps: Array.from({ length: 8 }, () => ({ cutAfter: 2000 })),
        ranges: [undefined, ...Array.from({ length: 8 }, (_, n) => `bytes=${(n + 1) * 2000}-`)],
      },
    ];
    for (const { name, steps, ranges } of passing) {
      if (isOwn && steps.some((step) => 'chunked' in step)) continue;
      test(`gets every byte once: ${name}`, async () => {
        await using registry = await registryWith(steps);
        assert.deepEqual(await download(registry), layer);
        assert.deepEqual(rangesOf(registry), ranges);
      });
    }

    const failing: readonly {
      name: string;
      script: Script;
      code: string;
      message?: RegExp;
      asked: number;
      chunked?: true;
    }[] = [
      {
        name: 'cuts without progress',
        script: () => ({ cutAfter: 100 }),
        code: 'registry.interrupted',
        message: /after 300 of 20000 bytes/,
        asked: 3,
      },
      { name: '503 for ever', script: () => ({ status: 503 }), code: 'registry.server-error', asked: 3 },
      { name: 'silence', script: () => ({ silent: true }), code: 'registry.timeout', asked: 3 },
      { name: '404', script: () => ({ status: 404 }), code: 'registry.not-found', asked: 1 },
      {
        name: 'a Content-Length that is too small',
        script: () => ({ body: layer.subarray(1) }),
        code: 'registry.size-mismatch',
        asked: 1,
      },
      {
        name: 'more bytes than the manifest says',
        script: () => ({ body: Buffer.concat([layer, layer]), chunked: true }),
        chunked: true,
        code: 'registry.size-mismatch',
        asked: 1,
      },
      {
        name: 'fewer bytes, and 416 for the rest',
        script: (_, n) => (n === 0 ? { body: layer.subarray(0, 9), chunked: true } : { status: 416 }),
        chunked: true,
        code: 'registry.size-mismatch',
        message: /no byte 9/,
        asked: 2,
      },
      {
        name: 'another range',
        script: (_, n) => (n === 0 ? { cutAfter: 50 } : { headers: { 'content-range': 'bytes 51-19999/20000' } }),
        code: 'registry.invalid-response',
        asked: 2,
      },
      {
        name: 'a range of something of another size',
        script: (_, n) => (n === 0 ? { cutAfter: 50 } : { headers: { 'content-range': 'bytes 50-19999/20001' } }),
        code: 'registry.size-mismatch',
        asked: 2,
      },
      {
        name: '206 that nobody asked for',
        script: () => ({ status: 206, body: layer }),
        code: 'registry.invalid-response',
        asked: 1,
      },
      {
        name: 'a Content-Encoding',
        script: () => ({ headers: { 'content-encoding': 'gzip' } }),
        code: 'registry.invalid-response',
        asked: 1,
      },
    ];
    for (const { name, script, code, message, asked, chunked } of failing) {
      if (isOwn && chunked) continue;
      test(`fails on ${name}`, async () => {
        await using registry = await registryWith(script);
        await assert.rejects(download(registry), { code, ...(message ? { message } : {}) });
        assert.equal(rangesOf(registry).length, asked);
      });
    }

    test('an answer without a length is asked for again, over a shared connection', async () => {
      await using registry = await registryWith(() => ({ chunked: true }));
      assert.deepEqual(await download(registry), layer);
      assert.equal(rangesOf(registry).length, isOwn ? 2 : 1);
    });

    test('a slow drip is cut and ends, though a byte comes every now and then', async () => {
      await using registry = await registryWith(() => ({ drip: { bytes: 10, pauseMs: 30 } }));
      const slow = { progressBytes: 10_000, slowWindowMs: 100, minBytes: 1000 };
      await assert.rejects(download(registry, { download: slow }), { code: 'registry.timeout', message: /bytes in/ });
    });

    test('a slow reader is not taken for a slow registry, and reports what has arrived', async () => {
      const big = randomBytes(8 << 20);
      await using registry = await startScriptedRegistry();
      registry.putBlob(big);
      await using client = quickClient({
        timeouts: { idleMs: 100 },
        download: { ownConnectionBytes, slowWindowMs: 50 },
      });
      const reports: number[] = [];
      const target = { ...descriptor, digest: sha256(big), size: big.byteLength };
      const stream = client.openLayer(parseReference(`${registry.host}/app`), target, {
        signal,
        onBytes: (n) => reports.push(n),
      });
      let bytes = 0;
      let paused = false;
      for await (const chunk of stream) {
        bytes += chunk.byteLength;
        assert.equal(reports.at(-1), bytes);
        if (!paused) await new Promise((resolve) => setTimeout(resolve, 400));
        paused = true;
      }
      assert.equal(bytes, big.byteLength);
      assert.equal(rangesOf(registry).length, 1);
    });

    test('an abort and a reader that leaves both end the connection', async () => {
      await using registry = await registryWith(() => ({ stallAfter: 100 }));
      await using client = quickClient({ timeouts: { idleMs: 60_000 }, download: { ownConnectionBytes } });
      const reference = parseReference(`${registry.host}/app`);
      const controller = new AbortController();
      const aborted = collect(
        client.openLayer(reference, descriptor, {
          signal: controller.signal,
          onBytes: () => controller.abort(new Error('enough')),
        }),
      );
      await assert.rejects(aborted, { message: 'enough' });
      for await (const _ of client.openLayer(reference, descriptor, { signal })) break;
    });

    test('whatever mixture of passing faults: the right bytes or a named error', async () => {
      await using registry = await startScriptedRegistry();
      registry.putBlob(layer);
      const step = fc.oneof(
        fc.record({ cutAfter: fc.nat(layer.byteLength), chunked: fc.boolean(), ignoreRange: fc.boolean() }),
        fc.record({ status: fc.constantFrom(500, 502, 503), headers: fc.constant({ 'retry-after': '0' }) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 5 }), async (steps) => {
          registry.script('/blobs/', (_, n) => steps[n]);
          const attempts = { attempts: 7, baseDelayMs: 1 };
          assert.deepEqual(await download(registry, { retry: attempts }), layer);
        }),
        { numRuns: 25 },
      );
    });
  });
}
