import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { AccessKey, RamIdentity, Store, TemporaryKey } from '../../src/store/ports.ts';
import { create } from './store-fixtures.ts';

const FIRST = '1000000000000101';
const SECOND = '1000000000000102';
const USER: RamIdentity = { id: '201', accountId: FIRST, type: 'user', name: 'ci', createdAtMs: 5 };
const ROLE: RamIdentity = { ...USER, id: '301', type: 'role' };
const conflict = { code: 'store.conflict' };

const keyOf = (id: string, accountId: string, change: Partial<AccessKey> = {}): AccessKey => {
  return { id, accountId, sealedSecret: `sealed-${id}`, active: true, createdAtMs: 7, ...change };
};
const temporaryKeyOf = (id: string, change: Partial<TemporaryKey> = {}): TemporaryKey => {
  const times = { createdAtMs: 10, expiresAtMs: 100 };
  return { id, accountId: FIRST, sealedSecret: 's', sealedToken: 't', mfa: false, ...times, ...change };
};

/** Account states and quotas, keys, RAM identities with their policies, resource groups, and the version over all. */
export function describeAccountContract(name: string, open: () => Promise<Store>): void {
  describe(`store contract: ${name}: accounts, keys, RAM`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
      await store.accounts.createAccount({ id: SECOND, name: 'second', createdAtMs: 2 }, keyOf('k2', SECOND));
      await store.accounts.createAccount({ id: FIRST, name: 'first', createdAtMs: 1 }, keyOf('k1', FIRST));
    });

    afterEach(() => store.close());

    test('accounts are listed, oldest first, with states and quota', async () => {
      const { accounts } = store;
      const first = { id: FIRST, name: 'first', createdAtMs: 1, states: [] };
      assert.deepEqual(
        (await accounts.list()).map(({ id }) => id),
        [FIRST, SECOND],
      );
      assert.deepEqual(await accounts.get(FIRST), first);
      assert.equal(await accounts.get('1'), undefined);

      await accounts.changeStates(FIRST, { set: ['not-real-name', 'arrears'] });
      const changed = await accounts.changeStates(FIRST, { set: ['arrears'], clear: ['not-real-name'] });
      assert.deepEqual(changed, { ...first, states: ['arrears'] });
      assert.equal(await accounts.setMaxImageCaches(FIRST, 3), true);
      assert.deepEqual(await accounts.get(FIRST), { ...changed, maxImageCaches: 3 });
      assert.equal(await accounts.setMaxImageCaches(FIRST, undefined), true);
      assert.deepEqual(await accounts.get(FIRST), changed);
      assert.deepEqual((await accounts.get(SECOND))?.states, []);

      assert.equal(await accounts.changeStates('1', { set: ['arrears'] }), undefined);
      assert.equal(await accounts.setMaxImageCaches('1', 3), false);
    });

    test('keys are listed by account, disabled, enabled and deleted, never those of another account', async () => {
      const { accounts } = store;
      const key = keyOf('k3', FIRST, { createdAtMs: 8 });
      await accounts.putAccessKey(key);
      assert.deepEqual(await accounts.listAccessKeys(FIRST), [keyOf('k1', FIRST), key]);
      assert.equal((await accounts.listAccessKeys()).length, 3);
      assert.equal(await accounts.setAccessKeyActive({ accountId: SECOND, id: 'k3' }, false), false);
      assert.equal(await accounts.setAccessKeyActive(key, false), true);
      assert.equal((await accounts.findAccessKey('k3'))?.active, false);
      assert.equal(await accounts.setAccessKeyActive(key, true), true);
      assert.equal((await accounts.findAccessKey('k3'))?.active, true);
      assert.equal(await accounts.deleteAccessKey({ accountId: SECOND, id: 'k3' }), false);
      assert.equal(await accounts.deleteAccessKey(key), true);
      assert.equal(await accounts.deleteAccessKey(key), false);
      assert.equal(await accounts.findAccessKey('k3'), undefined);
    });

    test('temporary keys keep what they were made with, and those long ended are forgotten', async () => {
      const { accounts } = store;
      await store.ram.createIdentity(ROLE);
      const plain = temporaryKeyOf('STS.1');
      const role = { identityId: ROLE.id, sessionName: 'night', sessionPolicy: '{}', mfa: true };
      const full = temporaryKeyOf('STS.2', { ...role, createdAtMs: 11, expiresAtMs: 200 });
      await accounts.addTemporaryKey(plain, 0);
      await accounts.addTemporaryKey(full, 100);
      assert.deepEqual(await accounts.listTemporaryKeys(FIRST), [full, plain], 'not ended before 100');
      assert.deepEqual(await accounts.findTemporaryKey('STS.2'), full);
      assert.equal(await accounts.findAccessKey('STS.2'), undefined);
      await accounts.addTemporaryKey(temporaryKeyOf('STS.3', { expiresAtMs: 300 }), 101);
      assert.equal(await accounts.findTemporaryKey('STS.1'), undefined);
      assert.equal(await accounts.pruneTemporaryKeys(201), 1);
      assert.equal(await accounts.deleteTemporaryKey({ accountId: SECOND, id: 'STS.3' }), false);
      assert.equal(await accounts.deleteTemporaryKey({ accountId: FIRST, id: 'STS.3' }), true);
      assert.deepEqual(await accounts.listTemporaryKeys(FIRST), []);
    });

    test('a user goes with its keys and attachments; names are unique by account and type', async () => {
      const { accounts, ram } = store;
      await ram.createIdentity(USER);
      await ram.createIdentity(ROLE);
      await ram.createIdentity({ ...USER, id: '202', accountId: SECOND });
      await assert.rejects(ram.createIdentity({ ...USER, id: '203' }), conflict);
      assert.deepEqual(await ram.listIdentities(FIRST), [ROLE, USER]);
      assert.deepEqual(await ram.getIdentity('201'), USER);
      await accounts.putAccessKey(keyOf('k3', FIRST, { userId: USER.id }));
      assert.equal((await accounts.findAccessKey('k3'))?.userId, USER.id);
      await accounts.addTemporaryKey(temporaryKeyOf('STS.1', { identityId: USER.id }), 0);
      await ram.attachPolicy({ identityId: USER.id, policyName: 'system' });
      assert.equal(await ram.deleteIdentity({ accountId: SECOND, id: USER.id }), false);
      assert.equal(await ram.deleteIdentity(USER), true);
      assert.equal(await ram.getIdentity('201'), undefined);
      assert.equal(await accounts.findAccessKey('k3'), undefined);
      assert.equal(await accounts.findTemporaryKey('STS.1'), undefined);
      assert.deepEqual(await ram.listAttachments(FIRST), []);
      await assert.rejects(accounts.putAccessKey(keyOf('k4', FIRST, { userId: USER.id })), conflict);
    });

    test('policies are attached with or without a resource group, and stay while they are', async () => {
      const { ram } = store;
      await ram.createIdentity(USER);
      const policy = { accountId: FIRST, name: 'p', document: 'one', changedAtMs: 1 };
      await ram.putPolicy(policy);
      await ram.putPolicy({ ...policy, document: 'two', changedAtMs: 2 });
      await ram.putPolicy({ ...policy, accountId: SECOND, document: 'of the second account' });
      assert.deepEqual(await ram.listPolicies(FIRST), [{ ...policy, document: 'two', changedAtMs: 2 }]);
      const inGroup = { identityId: USER.id, policyName: 'p', resourceGroupId: 'rg-1' };
      const everywhere = { identityId: USER.id, policyName: 'system' };
      for (const attachment of [inGroup, inGroup, everywhere]) await ram.attachPolicy(attachment);
      assert.deepEqual(await ram.attachedPolicies(USER), [{ ...inGroup, document: 'two' }, everywhere]);
      assert.deepEqual(await ram.listAttachments(FIRST), [inGroup, everywhere]);
      assert.deepEqual(await ram.listAttachments(SECOND), []);
      assert.equal(await ram.deletePolicy(policy), 'attached');
      assert.equal(await ram.deletePolicy({ ...policy, accountId: SECOND }), 'deleted');
      assert.equal(await ram.detachPolicy({ identityId: USER.id, policyName: 'p' }), false);
      assert.equal(await ram.detachPolicy(inGroup), true);
      assert.equal(await ram.deletePolicy(policy), 'deleted');
      assert.equal(await ram.deletePolicy(policy), 'missing');
    });

    test('resource groups stay while a cache or an attachment is in them; networks are put and deleted', async () => {
      const { ram } = store;
      const group = { id: 'rg-a', accountId: FIRST, name: 'a', createdAtMs: 3 };
      await ram.createResourceGroup(group);
      await assert.rejects(ram.createResourceGroup({ ...group, id: 'rg-b' }), conflict);
      assert.deepEqual(await ram.listResourceGroups(FIRST), [group]);
      const cache = await create(store, { accountId: FIRST, resourceGroupId: group.id });
      assert.equal(await ram.deleteResourceGroup(group), 'used');
      await store.caches.delete(cache);
      assert.equal(await ram.deleteResourceGroup({ ...group, accountId: SECOND }), 'missing');
      assert.equal(await ram.deleteResourceGroup(group), 'deleted');

      const network = { accountId: FIRST, cidr: '10.0.0.0/8', vpcId: 'vpc-1' };
      await ram.putVpcNetwork({ ...network, vpcId: 'vpc-0' });
      await ram.putVpcNetwork(network);
      assert.deepEqual(await ram.listVpcNetworks(FIRST), [network]);
      assert.equal(await ram.deleteVpcNetwork({ ...network, accountId: SECOND }), false);
      assert.equal(await ram.deleteVpcNetwork(network), true);
      assert.deepEqual(await ram.listVpcNetworks(FIRST), []);
    });

    test('every change raises the version, and nothing else does', async () => {
      const { accounts, ram } = store;
      const policy = { accountId: FIRST, name: 'p', document: 'd', changedAtMs: 1 };
      const group = { id: 'rg-a', accountId: FIRST, name: 'a', createdAtMs: 3 };
      const network = { accountId: FIRST, cidr: '10.0.0.0/8', vpcId: 'vpc-1' };
      const attachment = { identityId: USER.id, policyName: 'p' };
      const changes: readonly (() => Promise<unknown>)[] = [
        () => accounts.createAccount({ id: '3', name: 'third', createdAtMs: 3 }, keyOf('k9', '3')),
        () => accounts.changeStates(FIRST, { set: ['arrears'] }),
        () => accounts.setMaxImageCaches(FIRST, 3),
        () => accounts.putAccessKey(keyOf('k3', FIRST)),
        () => accounts.setAccessKeyActive(keyOf('k3', FIRST), false),
        () => accounts.deleteAccessKey(keyOf('k3', FIRST)),
        () => accounts.addTemporaryKey(temporaryKeyOf('STS.1'), 0),
        () => accounts.deleteTemporaryKey(temporaryKeyOf('STS.1')),
        () => ram.createIdentity(USER),
        () => ram.putPolicy(policy),
        () => ram.attachPolicy(attachment),
        () => ram.detachPolicy(attachment),
        () => ram.deletePolicy(policy),
        () => ram.deleteIdentity(USER),
        () => ram.createResourceGroup(group),
        () => ram.deleteResourceGroup(group),
        () => ram.putVpcNetwork(network),
        () => ram.deleteVpcNetwork(network),
      ];
      for (const change of changes) {
        const before = await accounts.version();
        assert.equal(await accounts.version(), before);
        await change();
        assert.ok((await accounts.version()) > before, String(change));
      }
      const before = await accounts.version();
      await create(store);
      await assert.rejects(accounts.createAccount({ id: FIRST, name: 'again', createdAtMs: 4 }, keyOf('k8', FIRST)));
      assert.equal(await accounts.version(), before);
    });
  });
}
