/** Tables of accounts and who may act for them, as Kysely sees them. Times are ms since 1970, flags 0 or 1. */
export type AccountSchema = {
  accounts: {
    id: string;
    name: string;
    created_at_ms: number;
    /** JSON: AccountState[] */
    states: string;
    /** Image caches in one region; null leaves it to the server. */
    max_image_caches: number | null;
  };
  access_keys: {
    id: string;
    account_id: string;
    sealed_secret: string;
    active: number;
    /** The RAM user whose key it is; null for the account's own. */
    identity_id: string | null;
    created_at_ms: number;
  };
  temporary_keys: TemporaryKeyRow;
  /** RAM users and roles. */
  ram_identities: { id: string; account_id: string; type: 'user' | 'role'; name: string; created_at_ms: number };
  /** Policies of the account's own; those of the system are in the program. */
  ram_policies: { account_id: string; name: string; document: string; changed_at_ms: number };
  /** `resource_group_id` is empty where the policy holds for the whole account. */
  policy_attachments: { identity_id: string; policy_name: string; resource_group_id: string };
  resource_groups: { id: string; account_id: string; name: string; created_at_ms: number };
  /** Which addresses belong to which network, for the condition key acs:SourceVpc. */
  vpc_networks: { account_id: string; cidr: string; vpc_id: string };
  /** One row: counts the changes of all the tables above. */
  account_version: { version: number };
};

export type TemporaryKeyRow = {
  id: string;
  account_id: string;
  /** The RAM user or role that acts; null for the account itself. */
  identity_id: string | null;
  /** Name of the role's session. */
  session_name: string | null;
  sealed_secret: string;
  sealed_token: string;
  /** JSON: the policy document that narrows the key down. */
  session_policy: string | null;
  mfa: number;
  created_at_ms: number;
  expires_at_ms: number;
};
