import {
  checkName,
  checkPolicyName,
  checkVpcId,
  DEFAULT_RESOURCE_GROUP_ID,
  type IdentityType,
  newIdentityId,
  parseIpRange,
  parsePolicy,
  printPolicy,
  SYSTEM_POLICIES,
} from '../accounts/index.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Account, PolicyAttachment, RamIdentity, ResourceGroup } from '../store/index.ts';
import type { Admin } from './open-admin.ts';

/** Every one is evaluated at every request of the identity. */
export const MAX_ATTACHED_POLICIES = 40;

/** Throws `server.no-identity`. */
export async function findIdentity(
  { store }: Admin,
  account: Account,
  wanted: { type: IdentityType; name: string },
): Promise<RamIdentity> {
  const identities = await store.ram.listIdentities(account.id);
  const found = identities.find(({ type, name, id }) => type === wanted.type && [name, id].includes(wanted.name));
  if (found) return found;
  const message = `account ${account.id} has no ${wanted.type} ${wanted.name}; larder account ${wanted.type} list shows them`;
  throw new LarderError('server.no-identity', message);
}

/** Throws `server.name-taken`. */
export async function createIdentity(
  { store, clock, randomBytes }: Admin,
  account: Account,
  { type, name }: { type: IdentityType; name: string },
): Promise<RamIdentity> {
  const id = newIdentityId(type, randomBytes);
  const identity = { id, accountId: account.id, type, name: checkName(`a ${type}`, name), createdAtMs: clock.now() };
  await unlessTaken(`${type} ${name}`, store.ram.createIdentity(identity));
  return identity;
}

/** Stores a policy of the account's own. Throws `accounts.policy`, `accounts.name` and `server.name-taken`. */
export async function putPolicy(
  { store, clock }: Admin,
  account: Account,
  { name, document }: { name: string; document: string },
): Promise<void> {
  if (SYSTEM_POLICIES.has(checkPolicyName(name))) {
    throw new LarderError('server.name-taken', `${name} is a policy of the system; choose another name`);
  }
  parsePolicy(document);
  await store.ram.putPolicy({ accountId: account.id, name, document, changedAtMs: clock.now() });
}

export function systemPolicyNames(): string[] {
  return [...SYSTEM_POLICIES.keys()];
}

/** The document of a policy, as it was stored. Throws `server.no-policy`. */
export async function policyDocument({ store }: Admin, account: Account, name: string): Promise<string> {
  const own = (await store.ram.listPolicies(account.id)).find((policy) => policy.name === name);
  if (own) return own.document;
  const system = SYSTEM_POLICIES.get(name);
  if (system) return printPolicy(system);
  throw noPolicy(account, name);
}

/** Throws `server.no-policy`, and `server.policy-attached` while somebody has it. */
export async function deletePolicy({ store }: Admin, account: Account, name: string): Promise<void> {
  const outcome = await store.ram.deletePolicy({ accountId: account.id, name });
  if (outcome === 'missing') throw noPolicy(account, name);
  if (outcome === 'attached') {
    throw new LarderError('server.policy-attached', `${name} is attached; larder account policy detach takes it off`);
  }
}

/** Throws `server.no-policy`, and `server.too-many-policies` beyond MAX_ATTACHED_POLICIES. */
export async function attachPolicy({ store }: Admin, account: Account, attachment: PolicyAttachment): Promise<void> {
  const { policyName, identityId } = attachment;
  const own = await store.ram.listPolicies(account.id);
  if (!SYSTEM_POLICIES.has(policyName) && !own.some(({ name }) => name === policyName)) {
    throw noPolicy(account, policyName);
  }
  const attached = await store.ram.attachedPolicies({ accountId: account.id, id: identityId });
  if (attached.length >= MAX_ATTACHED_POLICIES) {
    const message = `it has ${attached.length} policies, and no more are taken: put statements together`;
    throw new LarderError('server.too-many-policies', message);
  }
  await store.ram.attachPolicy(attachment);
}

/** The group with this id or name; every account has the default one. Throws `server.no-resource-group`. */
export async function findResourceGroup({ store }: Admin, account: Account, idOrName: string): Promise<ResourceGroup> {
  const standard = { id: DEFAULT_RESOURCE_GROUP_ID, accountId: account.id, name: 'default', createdAtMs: 0 };
  const groups = [standard, ...(await store.ram.listResourceGroups(account.id))];
  const found = groups.find(({ id }) => id === idOrName) ?? groups.find(({ name }) => name === idOrName);
  if (found) return found;
  const message = `account ${account.id} has no resource group ${idOrName}; larder account group list shows them`;
  throw new LarderError('server.no-resource-group', message);
}

/** Throws `server.name-taken`. */
export async function createResourceGroup(
  { store, clock, randomBytes }: Admin,
  account: Account,
  name: string,
): Promise<ResourceGroup> {
  const id = newId('rg', randomBytes);
  const group = { id, accountId: account.id, name: checkName('a group', name), createdAtMs: clock.now() };
  if (name === 'default') throw taken('resource group default');
  await unlessTaken(`resource group ${name}`, store.ram.createResourceGroup(group));
  return group;
}

/** Throws `server.no-resource-group`, and `server.resource-group-used` while a cache or a policy is in it. */
export async function deleteResourceGroup(admin: Admin, account: Account, idOrName: string): Promise<ResourceGroup> {
  const group = await findResourceGroup(admin, account, idOrName);
  if (group.id === DEFAULT_RESOURCE_GROUP_ID || (await admin.store.ram.deleteResourceGroup(group)) === 'used') {
    const message = `${group.name} stays: it is the default one, or image caches or policies are in it`;
    throw new LarderError('server.resource-group-used', message);
  }
  return group;
}

/** Says that addresses belong to a VPC. Throws `server.network`. */
export async function putNetwork(
  { store }: Admin,
  account: Account,
  { vpcId, cidr }: { vpcId: string; cidr: string },
): Promise<void> {
  checkVpcId(vpcId);
  if (!parseIpRange(cidr)) {
    throw new LarderError('server.network', `${cidr} is no block of addresses as 10.0.0.0/8`);
  }
  await store.ram.putVpcNetwork({ accountId: account.id, cidr, vpcId });
}

async function unlessTaken(what: string, creating: Promise<void>): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if (errorCode(error) !== 'store.conflict') throw error;
    throw taken(what, error);
  }
}

function taken(what: string, cause?: unknown): LarderError {
  return new LarderError('server.name-taken', `there is a ${what} already`, { cause });
}

function noPolicy(account: Account, name: string): LarderError {
  const message = `account ${account.id} has no policy ${name}; larder account policy list shows them`;
  return new LarderError('server.no-policy', message);
}
