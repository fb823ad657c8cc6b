import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ipInRange, parseIpRange } from './ip-range.ts';

test('blocks hold what Node.js says they hold', () => {
  const kinds = [
    { family: 'ipv4', bits: 32, address: fc.ipV4() },
    { family: 'ipv6', bits: 128, address: fc.ipV6() },
  ] as const;
  for (const { family, bits, address } of kinds) {
    // Addresses near each other: the same, with the last character changed.
    const pair = fc.tuple(address, fc.oneof(address, fc.constant(undefined)), fc.integer({ min: 0, max: bits }));
    fc.assert(
      fc.property(pair, ([base, other, prefix]) => {
        const candidate = other ?? base.replace(/[0-9a-f]$/i, '1');
        const list = new BlockList();
        list.addSubnet(base, prefix, family);
        const range = parseIpRange(`${base}/${prefix}`);
        // An IPv6 block that holds IPv4 addresses written as IPv6 is a matter of its own, below.
        fc.pre(range?.bits === bits && !candidate.toLowerCase().startsWith('::ffff:'));
        assert.equal(
          range && ipInRange(range, candidate),
          list.check(candidate, family),
          `${base}/${prefix} ${candidate}`,
        );
      }),
    );
  }
});

test('IPv4 is the same in either spelling, and otherwise apart from IPv6', () => {
  const range = parseIpRange('10.0.0.0/8');
  const mapped = parseIpRange('::ffff:10.0.0.0/104');
  assert.ok(range && mapped);
  for (const one of [range, mapped]) {
    assert.equal(ipInRange(one, '10.1.2.3'), true);
    assert.equal(ipInRange(one, '::ffff:10.1.2.3'), true);
    assert.equal(ipInRange(one, '::FFFF:0a01:0203'), true);
    assert.equal(ipInRange(one, '11.0.0.0'), false);
    assert.equal(ipInRange(one, 'a00::'), false);
    assert.equal(ipInRange(one, 'unknown'), false);
  }
  const all = parseIpRange('::/0');
  assert.equal(all && ipInRange(all, '10.1.2.3'), false);
});

test('what is no block is none', () => {
  const wrong = [
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '::1::',
  ];
  wrong.push(
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    ':1:2:3:4:5:6:7',
    '12345::',
    '::/129',
    '::ffff:10.0.0.0/95',
    'g::',
    ':::',
  );
  for (const text of wrong) assert.equal(parseIpRange(text), undefined, text);
});
