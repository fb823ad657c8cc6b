import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { choosePlatform, formatPlatform, hostPlatform, type Platform, suits } from './platform.ts';

const platform = (text: string): Platform => {
  const [os = '', architecture = '', variant] = text.split('/');
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
};
const entries = (...texts: string[]) => texts.map((text) => (text === '' ? {} : { platform: platform(text) }));
describe('choosePlatform', () => {
  const cases: readonly { available: string[]; wanted: string; chosen: string | undefined }[] = [
    { available: ['linux/arm64', 'linux/amd64'], wanted: 'linux/amd64', chosen: 'linux/amd64' },
    { available: ['windows/amd64', 'linux/amd64'], wanted: 'linux/amd64', chosen: 'linux/amd64' },
    { available: ['linux/arm64'], wanted: 'linux/arm64/v8', chosen: 'linux/arm64' },
    { available: ['linux/aarch64'], wanted: 'linux/arm64', chosen: 'linux/aarch64' },
    { available: ['linux/arm/v5', 'linux/arm/v6', 'linux/arm64'], wanted: 'linux/arm/v7', chosen: 'linux/arm/v6' },
    { available: ['linux/amd64', 'linux/amd64/v3'], wanted: 'linux/amd64/v2', chosen: 'linux/amd64' },
    { available: ['linux/amd64/v2', 'linux/amd64'], wanted: 'linux/amd64', chosen: 'linux/amd64' },
    { available: ['', 'linux/amd64'], wanted: 'linux/amd64', chosen: 'linux/amd64' },
    { available: ['unknown/unknown', ''], wanted: 'linux/amd64', chosen: undefined },
  ];
  for (const { available, wanted, chosen } of cases) {
    it(`${wanted} of ${available.join(' ') || 'none'}`, () => {
      const { platform: found } = choosePlatform<{ platform?: Platform }>(entries(...available), platform(wanted));
      assert.equal(found && formatPlatform(found), chosen);
    });
  }

  it('lists what there is', () => {
    assert.throws(
      () => choosePlatform(entries('linux/arm64', 'linux/s390x', 'unknown/unknown'), platform('linux/amd64')),
      {
        code: 'oci.platform-unavailable',
        message: /linux\/amd64; it has linux\/arm64, linux\/s390x$/,
      },
    );
    assert.throws(() => choosePlatform([], platform('linux/amd64')), { message: /no platform at all/ });
  });
});

describe('hostPlatform', () => {
  it('maps the names of node', () => {
    assert.equal(formatPlatform(hostPlatform('x64', 'linux')), 'linux/amd64');
    assert.equal(formatPlatform(hostPlatform('arm64', 'darwin')), 'linux/arm64/v8');
    assert.equal(formatPlatform(hostPlatform('ppc64', 'linux')), 'linux/ppc64le');
  });
});

describe('suits', () => {
  it('takes older variants only', () => {
    assert.ok(suits(platform('linux/arm/v6'), platform('linux/arm/v7')));
    assert.ok(!suits(platform('linux/arm/v8'), platform('linux/arm/v7')));
    assert.ok(!suits(platform('linux/mips/a'), platform('linux/mips/b')));
  });
});
