import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, mayReach, scopeOfAddress } from './addresses.ts';

test('scopes of addresses, whatever way they are written', () => {
  for (const address of ['8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808']) {
    assert.equal(scopeOfAddress(address), 'public', address);
  }
  for (const address of [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '::1',
    '::',
    'fd12::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a00:1',
  ]) {
    assert.equal(scopeOfAddress(address), 'private', address);
  }
  for (const address of ['169.254.169.254', '100.100.100.200', 'fe80::1', 'fd00:ec2::254', '::ffff:169.254.169.254']) {
    assert.equal(scopeOfAddress(address), 'local', address);
  }
});

test('a registry leads to the internet or to where it lies itself', () => {
  assert.ok(mayReach('public', 'public') && mayReach('private', 'public') && mayReach('private', 'private'));
  assert.ok(!mayReach('public', 'private') && !mayReach('public', 'local') && !mayReach('private', 'local'));
});

test('loopback hosts are those of Docker', () => {
  for (const host of ['localhost', '127.0.0.1', '127.8.0.1', '[::1]']) assert.ok(isLoopback(host), host);
  for (const host of ['localhost.example.com', '10.0.0.1', '[::2]', 'registry']) assert.ok(!isLoopback(host), host);
});
