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

/** Who sent wrong signatures lately, by address and access key. */
export type SignatureFailures = {
  /** Milliseconds in which no signature of this key is looked at for this address; 0 for none. */
  waitMs(peer: string, accessKeyId: string, nowMs: number): number;
  failed(peer: string, accessKeyId: string, nowMs: number): void;
  succeeded(peer: string, accessKeyId: string): void;
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
