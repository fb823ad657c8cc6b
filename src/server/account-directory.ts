import {
  type IpRange,
  type PreparedPolicy,
  parseIpRange,
  parsePolicy,
  preparePolicy,
  principalArn,
  type Sealer,
  SYSTEM_POLICIES,
  TEMPORARY_KEY_PREFIX,
} from '../accounts/index.ts';
import { LarderError } from '../lib/errors.ts';
import type { AccessKeyFacts } from '../rpc/index.ts';
import type { AccessKey, Account, RamIdentity, Store, TemporaryKey } from '../store/index.ts';
import { type BoundedMap, createBoundedMap } from './bounded-map.ts';

/** Everything about a key that a request needs; its secret and token are in clear. */
export type KeyEntry = AccessKeyFacts & {
  readonly principalArn: string;
  /** The RAM user or role; absent for the account itself. */
  readonly identityId?: string;
  readonly sessionPolicy?: PreparedPolicy;
  /** Temporary keys only: others don't say. */
  readonly mfa?: boolean;
};

export type AccountEntry = Account & {
  /** Longest prefix first. */
  readonly networks: readonly { readonly range: IpRange; readonly vpcId: string }[];
};

export type IdentityPolicies = {
  readonly account: readonly PreparedPolicy[];
  readonly byResourceGroup: ReadonlyMap<string, readonly PreparedPolicy[]>;
};

/** What requests ask about accounts, remembered until the store says that anything of it changed. */
export type AccountDirectory = {
  key(id: string): Promise<KeyEntry | undefined>;
  account(id: string): Promise<AccountEntry | undefined>;
  policies(identity: { accountId: string; id: string }): Promise<IdentityPolicies>;
};

/** Of each kind: 1,000 keys with secrets take about a megabyte. */
const MAX_ENTRIES = 1000;

type Content = {
  readonly version: number;
  readonly keys: BoundedMap<KeyEntry>;
  readonly accounts: BoundedMap<AccountEntry>;
  readonly policies: BoundedMap<IdentityPolicies>;
};

/** Asks the store for its version at every question, so that what was revoked is gone with the next request. */
export function createAccountDirectory(store: Pick<Store, 'accounts' | 'ram'>, sealer: Sealer): AccountDirectory {
  let content = emptyContent(0);

  /**
   * What was loaded since the store came to its present version. Something that is loaded afterwards is put into the content
   * it was missing from: should the store change meanwhile, then so does its version, and all of that content goes.
   */
  function current(version: number): Content {
    if (version > content.version) content = emptyContent(version);
    return content;
  }

  async function remembered<Value>(
    choose: (content: Content) => BoundedMap<Value>,
    key: string,
    load: () => Promise<Value | undefined>,
  ): Promise<Value | undefined> {
    const version = store.accounts.version();
    const entries = choose(current(typeof version === 'number' ? version : await version));
    const known = entries.get(key);
    if (known !== undefined) return known;
    const value = await load();
    // What is not there is not remembered: anybody can ask for any number of keys.
    if (value !== undefined) entries.set(key, value);
    return value;
  }

  return {
    key: (id) =>
      remembered(
        ({ keys }) => keys,
        id,
        () => loadKey(store, sealer, id),
      ),
    account: (id) =>
      remembered(
        ({ accounts }) => accounts,
        id,
        () => loadAccount(store, id),
      ),
    async policies(identity) {
      const policies = await remembered(
        (all) => all.policies,
        identity.id,
        () => loadPolicies(store, identity),
      );
      return policies ?? { account: [], byResourceGroup: new Map() };
    },
  };
}

function emptyContent(version: number): Content {
  return {
    version,
    keys: createBoundedMap(MAX_ENTRIES),
    accounts: createBoundedMap(MAX_ENTRIES),
    policies: createBoundedMap(MAX_ENTRIES),
  };
}

async function loadKey(
  store: Pick<Store, 'accounts' | 'ram'>,
  sealer: Sealer,
  id: string,
): Promise<KeyEntry | undefined> {
  const key = id.startsWith(TEMPORARY_KEY_PREFIX) ? await store.accounts.findTemporaryKey(id) : undefined;
  if (key) return temporaryEntry(key, await identityOf(store, key.identityId), sealer);
  // A preset key may have any id, that of a temporary one too.
  const lasting = await store.accounts.findAccessKey(id);
  return lasting && lastingEntry(lasting, await identityOf(store, lasting.userId), sealer);
}

async function identityOf(store: Pick<Store, 'ram'>, id: string | undefined): Promise<RamIdentity | undefined> {
  if (id === undefined) return undefined;
  const identity = await store.ram.getIdentity(id);
  // Its keys go with it; this is the moment between two queries.
  if (!identity) throw new LarderError('server.identity-gone', `the RAM user or role ${id} was just deleted`);
  return identity;
}

function lastingEntry(key: AccessKey, user: RamIdentity | undefined, sealer: Sealer): KeyEntry {
  const { id, accountId, active } = key;
  return {
    id,
    accountId,
    active,
    secret: sealer.open(key.sealedSecret),
    principal: user ? { type: 'SubUser', id: user.id } : { type: 'Account', id: accountId },
    principalArn: principalArn(accountId, user),
    ...(user ? { identityId: user.id } : {}),
  };
}

function temporaryEntry(key: TemporaryKey, identity: RamIdentity | undefined, sealer: Sealer): KeyEntry {
  const { id, accountId, sealedSecret, sealedToken, expiresAtMs, sessionName, sessionPolicy, mfa } = key;
  const lasting = lastingEntry({ id, accountId, sealedSecret, active: true }, identity, sealer);
  return {
    ...lasting,
    ...(identity?.type === 'role'
      ? { principal: { type: 'AssumedRoleUser', id: `${identity.name}:${sessionName ?? ''}` } }
      : {}),
    securityToken: sealer.open(sealedToken),
    expiresAtMs,
    mfa,
    ...(sessionPolicy === undefined ? {} : { sessionPolicy: preparePolicy('session', parsePolicy(sessionPolicy)) }),
  };
}

async function loadAccount(store: Pick<Store, 'accounts' | 'ram'>, id: string): Promise<AccountEntry | undefined> {
  const account = await store.accounts.get(id);
  if (!account) return undefined;
  const networks = (await store.ram.listVpcNetworks(id)).flatMap(({ cidr, vpcId }) => {
    const range = parseIpRange(cidr);
    return range ? [{ range, vpcId }] : [];
  });
  return { ...account, networks: networks.toSorted((a, b) => b.range.prefix - a.range.prefix) };
}

async function loadPolicies(
  store: Pick<Store, 'ram'>,
  identity: { accountId: string; id: string },
): Promise<IdentityPolicies> {
  const account: PreparedPolicy[] = [];
  const byResourceGroup = new Map<string, PreparedPolicy[]>();
  for (const { policyName, resourceGroupId, document } of await store.ram.attachedPolicies(identity)) {
    const policy = document === undefined ? SYSTEM_POLICIES.get(policyName) : parsePolicy(document);
    // A policy that is attached can't be deleted; one of the system may go in a later version, and then allows nothing.
    if (!policy) continue;
    const prepared = preparePolicy(policyName, policy);
    if (resourceGroupId === undefined) account.push(prepared);
    else byResourceGroup.set(resourceGroupId, [...(byResourceGroup.get(resourceGroupId) ?? []), prepared]);
  }
  return { account, byResourceGroup };
}
