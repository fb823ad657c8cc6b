import {
  type AccessKeyPair,
  newAccessKeyPair,
  newAccountId,
  parseAccessKeyPair,
  type Sealer,
} from '../accounts/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { RandomBytes } from '../lib/ids.ts';
import type { Store } from '../store/index.ts';

export type FirstKey = AccessKeyPair & { isNew: boolean };

/**
 * Makes sure that there is an account with a key. On an empty store the key is the preset one or a random one, returned as
 * new so that it can be shown once. Later starts only add a preset key, to the oldest account, or replace its secret.
 */
export async function ensureAccessKey(context: {
  store: Pick<Store, 'accounts'>;
  sealer: Sealer;
  clock: Clock;
  randomBytes: RandomBytes;
  preset?: { id: string; secret: string };
}): Promise<FirstKey | undefined> {
  const { store, sealer, clock, randomBytes } = context;
  const preset = context.preset && parseAccessKeyPair(context.preset.id, context.preset.secret);
  const [oldest] = await store.accounts.list();
  const sealed = (key: AccessKeyPair, accountId: string) => {
    return { id: key.id, accountId, sealedSecret: sealer.seal(key.secret), active: true, createdAtMs: clock.now() };
  };
  if (oldest === undefined) {
    const key = preset ?? newAccessKeyPair(randomBytes);
    const account = { id: newAccountId(randomBytes), name: 'default', createdAtMs: clock.now() };
    await store.accounts.createAccount(account, sealed(key, account.id));
    return { ...key, isNew: true };
  }
  if (preset === undefined) return undefined;
  await store.accounts.putAccessKey(sealed(preset, oldest.id));
  return { ...preset, isNew: false };
}
