import type { Sealer } from '../accounts/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Authenticator } from '../rpc/index.ts';
import type { Store } from '../store/index.ts';

/** What the gateway asks about keys and nonces, answered from the store; a secret is opened for the one request. */
export function createAuthenticator(store: Store, sealer: Sealer, clock: Clock): Authenticator {
  return {
    async findAccessKey(id) {
      const key = await store.accounts.findAccessKey(id);
      if (!key) return undefined;
      const { accountId, active } = key;
      return {
        id,
        accountId,
        active,
        secret: sealer.open(key.sealedSecret),
        principal: { type: 'Account', id: accountId },
      };
    },
    rememberNonce: (accessKeyId, nonce, expiresAtMs) =>
      store.nonces.remember(accessKeyId, nonce, expiresAtMs, clock.now()),
  };
}
