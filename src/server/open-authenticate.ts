import { LarderError } from '../lib/errors.ts';
import { type Authenticate, apiError } from '../rpc/index.ts';
import type { Store } from '../store/index.ts';

/** Sent by browsers, and by nothing else that calls the API. */
const BROWSER_HEADERS = ['origin', 'sec-fetch-site'];

/**
 * Takes every call as one of the installation's first account, whatever key and signature it brings or doesn't: for trying
 * things out. The calls of web pages are refused, or any page on this machine's browser could delete its caches.
 */
export async function createOpenAuthenticate(store: Pick<Store, 'accounts'>): Promise<Authenticate> {
  const [account] = await store.accounts.list();
  if (!account) throw new LarderError('server.no-account', 'there is no account yet');
  const { id } = account;
  return async ({ headers }) => {
    if (BROWSER_HEADERS.some((name) => headers.has(name))) throw apiError('Forbidden.RAM');
    return { accountId: id, accessKeyId: '', principal: { type: 'Account', id } };
  };
}
