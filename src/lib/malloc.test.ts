import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const MIB = 2 ** 20;
const KEPT_MIB = 100;

/** Run in a process of its own, whose malloc has seen nothing yet. What it holds once the large ones among its pieces are freed. */
function heldAfter(tune: string): number {
  const script = `
    import { readFileSync } from 'node:fs';
    const held = () => Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1]) * 1024;
    const { tuneMalloc } = await import(${JSON.stringify(new URL('./malloc.ts', import.meta.url).href)});
    ${tune}
    // What malloc has seen once, it keeps for the next.
    for (const bytes of [1, 4, 16]) Buffer.alloc(bytes * ${MIB}, 1).buffer.transfer(0);
    const before = held();
    const pieces = Array.from({ length: ${KEPT_MIB} }, () => [Buffer.alloc(${MIB}, 1), Buffer.alloc(65_536, 1)]);
    for (const [{ buffer }] of pieces) buffer.transfer(0);
    console.log(held() - before, pieces.length);
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    encoding: 'utf8',
  });
  const [, bytes] = /^(-?\d+) \d+$/m.exec(stdout) ?? assert.fail(stderr);
  return Number(bytes);
}

const usesGlibc = process.platform === 'linux' && readFileSync('/proc/self/maps', 'latin1').includes('/libc.so.6');

test('what is freed in large pieces is given back at once', {
  skip: !usesGlibc && 'malloc is not that of glibc',
}, () => {
  assert.ok(heldAfter('tuneMalloc();') < (KEPT_MIB / 4) * MIB);
  // That is what it is for: without it, small pieces among them keep them all.
  assert.ok(heldAfter('') > (KEPT_MIB / 2) * MIB);
});
