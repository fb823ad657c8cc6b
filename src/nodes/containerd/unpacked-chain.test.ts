import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpackedChain } from './unpacked-chain.ts';

const CHAIN = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;

test('a chain that was unpacked is told by both names', () => {
  const cases = [
    [`default/7/extract-123456789-Ab_c ${CHAIN}`, `default/8/${CHAIN}`, CHAIN],
    [`extract-1-x ${CHAIN}`, CHAIN, CHAIN],
    [`default/7/extract-1-x ${CHAIN}`, `default/8/${OTHER}`, undefined],
    [`default/7/build ${CHAIN}`, `default/8/${CHAIN}`, undefined],
    ['default/7/active', `default/8/${CHAIN}`, undefined],
    [`default/7/extract-1-x ${CHAIN}`, 'default/8/mine', undefined],
    ['', '', undefined],
  ] as const;
  for (const [key, name, chainId] of cases) assert.equal(unpackedChain(key, name), chainId, `${key}, ${name}`);
});
