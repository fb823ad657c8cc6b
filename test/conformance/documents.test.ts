/** The tables of errors in docs/api say what the API answers: to each code one of its own texts, never that of a code like it. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS } from '../../src/rpc/index.ts';

const DOCS = join(import.meta.dirname, '../../docs/api');
const LINE = /^\| `([\w.{}]+)` \| ([\d, ]+) \| ([^|]+) \|/gm;
const BLANK = /\{\w+\}/g;

const rows = Object.entries(ERRORS).map(([key, [status, text]]) => ({ code: key.split(':')[0], status, text }));

/** Of the code itself, or of the pattern that makes it: `MissingRegionId` is a `Missing{Param}`. */
function rowsOf(code: string): typeof rows {
  const own = rows.filter((row) => row.code === code);
  if (own.length > 0) return own;
  return rows.filter(({ code: key = '' }) => key.endsWith('{Param}') && code.startsWith(key.replace('{Param}', '')));
}

for (const name of globSync('*.md', { cwd: DOCS })) {
  const lines = [...readFileSync(join(DOCS, name), 'utf8').matchAll(LINE)];
  if (lines.length === 0) continue;
  test(`${name}: every error has its own status and text`, () => {
    for (const [, code = '', statuses = '', texts = ''] of lines) {
      const own = rowsOf(code);
      assert.ok(own.length > 0, `${code} is no error`);
      for (const text of texts.replaceAll('\\', '').split('<br>')) {
        const same = own.filter((row) => row.text.replaceAll(BLANK, '%s') === text.replaceAll(BLANK, '%s'));
        assert.ok(
          same.some(({ status }) => statuses.split(', ').includes(String(status))),
          `${code}: ${statuses} ${text}`,
        );
      }
    }
  });
}

test('the text of InvalidParameter is that of the wire', () => {
  const text = readFileSync(join(DOCS, 'CreateImageCache.md'), 'utf8');
  assert.match(text, /^\| `InvalidParameter` \| 400 \| The specified parameter \{Param\} is invalid, \{Reason\}\. \|/m);
});
