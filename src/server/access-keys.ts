import { type AccessKeyPair, newAccessKeyPair, parseAccessKeyPair, type Sealer } from '../accounts/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { RandomBytes } from '../lib/ids.ts';
import type { Store } from '../store/index.ts';

/** The account of a single-machine installation; the vendor's account ids are 16 digits. */
const FIRST_ACCOUNT_ID_DIGITS = 16;

export type FirstKey = AccessKeyPair & { isNew: boolean };

/**
 * Makes sure that there is an account with a key. On an empty store the key is the preset one or a random one, returned as
 * new so that it can be shown once; later starts only add a preset key, or replace its secret.
 */
export async function ensureAccessKey(context: {
  store: Store;
  sealer: Sealer;
  clock: Clock;
  randomBytes: RandomBytes;
  preset?: { id: string; secret: string };
}): Promise<FirstKey | undefined> {
  const { store, sealer, clock, randomBytes } = context;
  const preset = context.preset && parseAccessKeyPair(context.preset.id, context.preset.secret);
  const [existing] = await store.accounts.listAccessKeys();
  if (existing === undefined) {
    const key = preset ?? newAccessKeyPair(randomBytes);
    const accountId = newAccountId(randomBytes);
    const row = { id: key.id, accountId, sealedSecret: sealer.seal(key.secret), active: true };
    await store.accounts.createAccount({ id: accountId, name: 'default', createdAtMs: clock.now() }, row);
    return { ...key, isNew: true };
  }
  if (preset === undefined) return undefined;
  const { accountId } = existing;
  await store.accounts.putAccessKey({
    id: preset.id,
    accountId,
    sealedSecret: sealer.seal(preset.secret),
    active: true,
  });
  return { ...preset, isNew: false };
}

function newAccountId(randomBytes: RandomBytes): string {
  const digits = Array.from(randomBytes(FIRST_ACCOUNT_ID_DIGITS), (byte) => byte % 10);
  return `1${digits.slice(1).join('')}`;
}
