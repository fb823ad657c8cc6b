import type { Clock } from '../lib/clock.ts';
import type { Authenticator } from '../rpc/index.ts';
import type { Store } from '../store/index.ts';
import type { AccountDirectory } from './account-directory.ts';

/** What the gateway asks about keys and nonces, answered from the directory and the store. */
export function createAuthenticator(
  directory: AccountDirectory,
  store: Pick<Store, 'nonces'>,
  clock: Clock,
): Authenticator {
  return {
    findAccessKey: (id) => directory.key(id),
    rememberNonce: (accessKeyId, nonce, expiresAtMs) =>
      store.nonces.remember(accessKeyId, nonce, expiresAtMs, clock.now()),
  };
}
