/** docs/limits.md has the limits that there are: `LARDER_WRITE_DOCS=1 node --test src/server/limits.test.ts` writes it anew. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { LIMIT_GROUPS, LIMITS, layerLimits, registryLimits } from './limit-table.ts';
import { formatLimit, readLimits } from './limits.ts';

const PAGE = join(import.meta.dirname, '../../docs/limits.md');
const MARKS = /(?<=<!-- begin -->\n)[\s\S]*(?=<!-- end -->)/;

function tables(): string {
  return Object.entries(LIMIT_GROUPS)
    .map(([title, group]) => {
      const rows = Object.entries(group).map(
        ([name, row]) => `| \`${name}\` | ${formatLimit(name, row.default)} | ${row.doc} |`,
      );
      return `\n## ${title}\n\n| Limit | Default | What it bounds |\n|---|---|---|\n${rows.join('\n')}\n`;
    })
    .join('');
}

test('docs/limits.md names every limit with its default', async () => {
  const page = await readFile(PAGE, 'utf8');
  if (process.env.LARDER_WRITE_DOCS)
    await writeFile(
      PAGE,
      page.replace(MARKS, () => `${tables()}\n`),
    );
  else assert.equal(MARKS.exec(page)?.[0], `${tables()}\n`, 'write it anew, see the head of this file');
});

test('values with units, and the last of several', () => {
  const limits = readLimits(['maxTarBytes=2GiB', 'idleMs=5 s', 'maxEntries=10', 'maxEntries=20', 'readsPerSecond=0']);
  assert.equal(layerLimits(limits).maxTarBytes, 2 ** 31);
  assert.equal(registryLimits(limits).timeouts.idleMs, 5000);
  assert.deepEqual([limits.maxEntries, limits.readsPerSecond], [20, 0]);
  assert.equal(readLimits([]).maxDepth, LIMITS.maxDepth.default);
});

test('the defaults of the documents are values that may be set', () => {
  for (const [name, row] of Object.entries(LIMITS)) {
    const read = new Map(Object.entries(readLimits([`${name}=${formatLimit(name, row.default)}`])));
    assert.equal(read.get(name), row.default, name);
  }
});

for (const [setting, message] of [
  ['maxTar=1', /is no limit; there are maxCompressedBytes, /],
  ['__proto__=1', /is no limit/],
  ['maxEntries=1k', /maxEntries takes a whole number from 1;/],
  ['maxEntries=-1', /from 1;/],
  ['maxEntries', /from 1;/],
  ['idleMs=1GiB', /with ms, s, m, h or without/],
  ['maxNameBytes=1KiB', /from 1 to 255,/],
  ['maxTarBytes=9999999TiB', /maxTarBytes/],
] as const) {
  test(`refuses ${setting}`, () => {
    assert.throws(() => readLimits([setting]), { code: 'config.invalid', message });
  });
}
