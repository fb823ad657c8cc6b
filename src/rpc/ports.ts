/** Who an access key belongs to. `id` is the account's for the account itself, else the RAM user's or `role:session`. */
export type Principal = {
  readonly type: 'Account' | 'SubUser' | 'AssumedRoleUser';
  readonly id: string;
};

export type AccessKeyFacts = {
  readonly id: string;
  readonly accountId: string;
  /** In the clear; lives only as long as the request. */
  readonly secret: string;
  readonly active: boolean;
  /** Temporary keys (STS) have a token that must come with every request, and an end. */
  readonly securityToken?: string;
  readonly expiresAtMs?: number;
  readonly principal: Principal;
};

/** What checking a signature needs to know and to remember. */
export type Authenticator = {
  findAccessKey(id: string): Promise<AccessKeyFacts | undefined>;
  /**
   * True when the nonce is new for the key; remembers it until `expiresAtMs`, in one step, so that of two equal requests
   * at the same time only one passes. Called only after the signature was found good.
   */
  rememberNonce(accessKeyId: string, nonce: string, expiresAtMs: number): Promise<boolean>;
};
