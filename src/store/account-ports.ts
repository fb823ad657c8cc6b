import type { AccountState } from '../accounts/index.ts';

export type Account = {
  id: string;
  name: string;
  createdAtMs: number;
  states: readonly AccountState[];
  /** Image caches in one region; absent leaves it to the server. */
  maxImageCaches?: number;
};

export type AccessKey = {
  id: string;
  accountId: string;
  /** Sealed with the server's key; see accounts/. */
  sealedSecret: string;
  active: boolean;
  /** The RAM user whose key it is; absent for the account's own. */
  userId?: string;
  createdAtMs?: number;
};

/** A key of the security token service: it works together with its token only, and until its end. */
export type TemporaryKey = {
  id: string;
  accountId: string;
  sealedSecret: string;
  sealedToken: string;
  /** The RAM user or role that acts; absent for the account itself. */
  identityId?: string;
  /** Name of the session, for a role. */
  sessionName?: string;
  /** Document of the policy that narrows the key down. */
  sessionPolicy?: string;
  /** Whether whoever issued it vouches for a second factor. */
  mfa: boolean;
  createdAtMs: number;
  expiresAtMs: number;
};

/** Accounts and their keys. */
export type AccountStore = {
  /**
   * Grows with every change of accounts, keys, RAM identities, policies, groups and networks, also those that another process
   * made; equal numbers mean that nothing changed. Asked at every request: a few microseconds, normally without a promise.
   */
  version(): number | Promise<number>;

  /** Creates the account with its first key, in one transaction. */
  createAccount(account: { id: string; name: string; createdAtMs: number }, key: AccessKey): Promise<void>;
  get(id: string): Promise<Account | undefined>;
  /** All, oldest first. */
  list(): Promise<Account[]>;
  /** Sets and clears states; the account as it is now, undefined when there is none. */
  changeStates(
    id: string,
    change: { set?: readonly AccountState[]; clear?: readonly AccountState[] },
  ): Promise<Account | undefined>;
  /** `undefined` gives the account the server's quota again; false when there is no such account. */
  setMaxImageCaches(id: string, maxImageCaches: number | undefined): Promise<boolean>;

  findAccessKey(id: string): Promise<AccessKey | undefined>;
  /** Oldest first, then by id; of one account, or of all. */
  listAccessKeys(accountId?: string): Promise<AccessKey[]>;
  /** Adds a key to an account, or replaces the secret of one that is there. */
  putAccessKey(key: AccessKey): Promise<void>;
  /** False when the account has no such key. */
  setAccessKeyActive(key: { accountId: string; id: string }, active: boolean): Promise<boolean>;
  deleteAccessKey(key: { accountId: string; id: string }): Promise<boolean>;

  /** Stores the key, and forgets those of all accounts that ended before `forgetBeforeMs`. */
  addTemporaryKey(key: TemporaryKey, forgetBeforeMs: number): Promise<void>;
  findTemporaryKey(id: string): Promise<TemporaryKey | undefined>;
  /** Newest first. */
  listTemporaryKeys(accountId: string): Promise<TemporaryKey[]>;
  deleteTemporaryKey(key: { accountId: string; id: string }): Promise<boolean>;
  /** Forgets temporary keys that ended before this; how many. */
  pruneTemporaryKeys(beforeMs: number): Promise<number>;
};

/** A RAM user or role; names are unique among the users, and among the roles, of an account. */
export type RamIdentity = {
  id: string;
  accountId: string;
  type: 'user' | 'role';
  name: string;
  createdAtMs: number;
};

/** A policy of the account's own. */
export type RamPolicy = { accountId: string; name: string; document: string; changedAtMs: number };

/** Without a resource group, the policy holds for the whole account. */
export type PolicyAttachment = { identityId: string; policyName: string; resourceGroupId?: string };

export type ResourceGroup = { id: string; accountId: string; name: string; createdAtMs: number };

export type VpcNetwork = { accountId: string; cidr: string; vpcId: string };

/** Who may act for an account, and what they may do. A name that is taken throws `store.conflict`. */
export type RamStore = {
  createIdentity(identity: RamIdentity): Promise<void>;
  getIdentity(id: string): Promise<RamIdentity | undefined>;
  /** By type and name. */
  listIdentities(accountId: string): Promise<RamIdentity[]>;
  /** Takes its keys, temporary keys and attachments along; false when the account has none such. */
  deleteIdentity(identity: { accountId: string; id: string }): Promise<boolean>;

  /** Creates or replaces the policy. */
  putPolicy(policy: RamPolicy): Promise<void>;
  listPolicies(accountId: string): Promise<RamPolicy[]>;
  /** `attached` when some identity has it: then it stays. */
  deletePolicy(policy: { accountId: string; name: string }): Promise<'deleted' | 'attached' | 'missing'>;

  /** Does nothing when it is attached already. */
  attachPolicy(attachment: PolicyAttachment): Promise<void>;
  detachPolicy(attachment: PolicyAttachment): Promise<boolean>;
  listAttachments(accountId: string): Promise<PolicyAttachment[]>;
  /** What an identity may do: its attachments, with the documents of those policies that are the account's own. */
  attachedPolicies(identity: { accountId: string; id: string }): Promise<(PolicyAttachment & { document?: string })[]>;

  createResourceGroup(group: ResourceGroup): Promise<void>;
  listResourceGroups(accountId: string): Promise<ResourceGroup[]>;
  /** `used` when an image cache or an attachment is in it: then it stays. */
  deleteResourceGroup(group: { accountId: string; id: string }): Promise<'deleted' | 'used' | 'missing'>;

  /** Adds the network, or gives it to another VPC. */
  putVpcNetwork(network: VpcNetwork): Promise<void>;
  listVpcNetworks(accountId: string): Promise<VpcNetwork[]>;
  deleteVpcNetwork(network: { accountId: string; cidr: string }): Promise<boolean>;
};
