import {
  type AccessKeyPair,
  checkAccountId,
  checkName,
  checkTokenSeconds,
  DEFAULT_TOKEN_SECONDS,
  EXPIRED_TOKEN_KEPT_MS,
  MAX_SESSION_POLICY_CHARS,
  newAccessKeyPair,
  newAccountId,
  newTemporaryKeyPair,
  parsePolicy,
  type TemporaryKeyPair,
} from '../accounts/index.ts';
import { LarderError } from '../lib/errors.ts';
import type { Account, RamIdentity } from '../store/index.ts';
import type { Admin } from './open-admin.ts';

/** The account with this id or name; the only one there is when none is named. Throws `server.no-account`. */
export async function findAccount({ store }: Admin, idOrName: string | undefined): Promise<Account> {
  const accounts = await store.accounts.list();
  const named = accounts.filter(({ id, name }) => idOrName === undefined || id === idOrName || name === idOrName);
  const exact = named.find(({ id }) => id === idOrName) ?? named[0];
  if (exact && (idOrName !== undefined || named.length === 1)) return exact;
  const names = accounts.map(({ id, name }) => `${id} (${name})`).join(', ') || 'none';
  const problem = idOrName === undefined ? 'name an account with --account' : `there is no account ${idOrName}`;
  throw new LarderError('server.no-account', `${problem}; there are: ${names}`);
}

/** A new account with its first key. Throws `server.account-taken` for a name or id that is in use. */
export async function createAccount(
  admin: Admin,
  options: { name: string; id?: string },
): Promise<{ account: Account; key: AccessKeyPair }> {
  const { store, sealers, clock, randomBytes } = admin;
  const name = checkName('an account', options.name);
  const id = options.id === undefined ? newAccountId(randomBytes) : checkAccountId(options.id);
  const taken = (await store.accounts.list()).find((account) => account.name === name || account.id === id);
  if (taken) {
    const message = `there is an account ${taken.id} (${taken.name}) already`;
    throw new LarderError('server.account-taken', message);
  }
  const key = newAccessKeyPair(randomBytes);
  const createdAtMs = clock.now();
  await store.accounts.createAccount(
    { id, name, createdAtMs },
    { id: key.id, accountId: id, sealedSecret: sealers.accessKeys.seal(key.secret), active: true, createdAtMs },
  );
  return { account: { id, name, createdAtMs, states: [] }, key };
}

/** A further key of the account or, with `user`, of one of its RAM users. */
export async function createAccessKey(
  admin: Admin,
  owner: { account: Account; user?: RamIdentity | undefined },
): Promise<AccessKeyPair> {
  const key = newAccessKeyPair(admin.randomBytes);
  await admin.store.accounts.putAccessKey({
    id: key.id,
    accountId: owner.account.id,
    sealedSecret: admin.sealers.accessKeys.seal(key.secret),
    active: true,
    ...(owner.user ? { userId: owner.user.id } : {}),
    createdAtMs: admin.clock.now(),
  });
  return key;
}

export type TokenRequest = {
  readonly account: Account;
  /** Who acts; the account itself when absent. */
  readonly identity?: RamIdentity | undefined;
  /** For a role. */
  readonly sessionName?: string | undefined;
  readonly durationSeconds?: number | undefined;
  /** A policy document that narrows the key down. */
  readonly sessionPolicy?: string | undefined;
  readonly mfa?: boolean | undefined;
};

export type IssuedToken = TemporaryKeyPair & { readonly expiresAtMs: number };

/** A temporary key of the security token service. Throws `accounts.token-duration`, `accounts.policy`, `accounts.name`. */
export async function issueToken(admin: Admin, request: TokenRequest): Promise<IssuedToken> {
  const { store, sealers, clock, randomBytes } = admin;
  const { account, identity, sessionPolicy } = request;
  const seconds = checkTokenSeconds(request.durationSeconds ?? DEFAULT_TOKEN_SECONDS);
  if (sessionPolicy !== undefined) parsePolicy(sessionPolicy, MAX_SESSION_POLICY_CHARS);
  const sessionName = identity?.type === 'role' ? checkName('a session', request.sessionName ?? 'default') : undefined;
  const pair = newTemporaryKeyPair(randomBytes);
  const createdAtMs = clock.now();
  const expiresAtMs = createdAtMs + seconds * 1000;
  await store.accounts.addTemporaryKey(
    {
      id: pair.id,
      accountId: account.id,
      sealedSecret: sealers.accessKeys.seal(pair.secret),
      sealedToken: sealers.accessKeys.seal(pair.securityToken),
      ...(identity ? { identityId: identity.id } : {}),
      ...(sessionName === undefined ? {} : { sessionName }),
      ...(sessionPolicy === undefined ? {} : { sessionPolicy }),
      mfa: request.mfa ?? false,
      createdAtMs,
      expiresAtMs,
    },
    createdAtMs - EXPIRED_TOKEN_KEPT_MS,
  );
  return { ...pair, expiresAtMs };
}
