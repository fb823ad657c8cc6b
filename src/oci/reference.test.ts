import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LarderError } from '../lib/errors.ts';
import { formatReference, type ImageReference, parseReference } from './reference.ts';

const DIGEST = `sha256:${'a1'.repeat(32)}`;

describe('parseReference', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.25', 'docker.io/library/nginx:1.25'],
    ['team/app', 'docker.io/team/app:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/team/app', 'docker.io/team/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:V1.2_x-y', 'localhost:5000/app:V1.2_x-y'],
    ['foo:5000/app', 'foo:5000/app:latest'],
    ['Registry/app', 'Registry/app:latest'],
    ['registry.example.com/a/b__c/d---e/f.g', 'registry.example.com/a/b__c/d---e/f.g:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    [`r.io/nginx:1.2@${DIGEST}`, `r.io/nginx:1.2@${DIGEST}`],
    [`r.io/${'a'.repeat(255)}`, `r.io/${'a'.repeat(255)}:latest`],
    [`a:${'t'.repeat(128)}`, `docker.io/library/a:${'t'.repeat(128)}`],
  ];
  for (const [text, full] of cases) {
    it(`reads ${text.slice(0, 60)}`, () => {
      assert.equal(formatReference(parseReference(text)), full);
    });
  }

  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    ['https://r.io/app', /scheme/],
    ['r.io/app ', /white space/],
    ['r.io/App', /lower case/],
    ['r.io/a..b', /not a repository/],
    ['r.io/a/', /not a repository/],
    ['/a', /not a repository/],
    ['r.io//a', /not a repository/],
    ['r.io/../../etc', /not a repository/],
    ['r.io/a:', /tag/],
    ['r.io/a:-x', /tag/],
    [`a:${'t'.repeat(129)}`, /tag/],
    ['r.io:0/a', /port/],
    ['r.io:65536/a', /port/],
    ['r.io:x/a', /host/],
    ['-r.io/a', /host/],
    ['1.2.3.999/a', /host/],
    ['user@host.io/a', /sha256/],
    ['a@sha512:abc', /sha256/],
    [`a@sha256:${'A1'.repeat(32)}`, /sha256/],
    ['a@sha256:../../etc/passwd', /sha256/],
    ['a1'.repeat(32), /image id/],
    [`r.io/${'a'.repeat(256)}`, /255/],
    ['a'.repeat(2000), /1024/],
  ];
  for (const [text, message] of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(() => parseReference(text), { code: 'oci.reference-invalid', message });
    });
  }
});

const part = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,2}$/);
const host = fc.oneof(
  fc.constantFrom('localhost', 'docker.io', '[::1]', '10.0.0.1', 'UPPER'),
  fc.stringMatching(/^[a-z][a-z0-9]{0,8}\.[a-z][a-z0-9]{0,5}$/),
);
const registry = fc
  .tuple(host, fc.option(fc.integer({ min: 1, max: 65_535 })))
  .map(([name, port]) => (port === null ? name : `${name}:${port}`));

describe('parseReference, for all', () => {
  it('format and parse are inverse', () => {
    const reference = fc.tuple(
      registry,
      fc.array(part, { minLength: 1, maxLength: 4 }),
      fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/)),
      fc.boolean(),
    );
    fc.assert(
      fc.property(reference, ([where, parts, tag, pinned]) => {
        const text = `${where}/${parts.join('/')}${tag === null ? '' : `:${tag}`}${pinned ? `@${DIGEST}` : ''}`;
        const parsed: ImageReference = parseReference(text);
        assert.deepEqual(parseReference(formatReference(parsed)), parsed);
      }),
    );
  });

  it('junk is refused with one error or read as something that formats and parses back', () => {
    const junk = fc.oneof(
      fc.string({ maxLength: 80 }),
      fc.string({ unit: fc.constantFrom(...Array.from('aA0:/@.-_[]% \n\u0000é')), maxLength: 40 }),
    );
    fc.assert(
      fc.property(junk, (text) => {
        try {
          const parsed = parseReference(text);
          assert.deepEqual(parseReference(formatReference(parsed)), parsed);
        } catch (error) {
          assert.ok(error instanceof LarderError && error.code === 'oci.reference-invalid', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
