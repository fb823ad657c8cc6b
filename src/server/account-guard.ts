import type { AccountState } from '../accounts/index.ts';
import { ACCOUNT_STATES } from '../accounts/index.ts';
import { type ApiError, type AuthenticatedCall, apiError, ECI_VERSION } from '../rpc/index.ts';
import type { AccountDirectory } from './account-directory.ts';

/** What each state of an account answers. */
const REFUSALS: Readonly<Record<AccountState, () => ApiError>> = {
  arrears: () => apiError('Account.Arrearage'),
  'service-not-enabled': () =>
    apiError('ServiceNotEnabled', {
      Text: 'The service Elastic Container Instance (eci) is not enabled for your account.',
    }),
  'business-status': () => apiError('Forbidden.UserBussinessStatus'),
  'not-real-name': () => apiError('Forbidden.UserNotRealNameAuthentication'),
  'sub-user-restricted': () => apiError('Forbidden.SubUser'),
};

/** What of a call the guard looks at. */
export type GuardedCall = Pick<AuthenticatedCall, 'caller'> & {
  readonly action: Pick<AuthenticatedCall['action'], 'ramAction' | 'version'>;
};

/**
 * Refuses the calls of an account that an operator put into a state, whatever RAM allows; several states answer in the order
 * of ACCOUNT_STATES. Actions that no policy governs, and those of other services, stay open.
 */
export function createAccountGuard(directory: AccountDirectory): (call: GuardedCall) => Promise<void> {
  return async ({ caller, action }) => {
    if (action.ramAction === undefined || (action.version ?? ECI_VERSION) !== ECI_VERSION) return;
    const states = (await directory.account(caller.accountId))?.states ?? [];
    const isAccount = caller.principal.type === 'Account';
    const state = ACCOUNT_STATES.find(
      (each) => states.includes(each) && !(each === 'sub-user-restricted' && isAccount),
    );
    if (state !== undefined) throw REFUSALS[state]();
  };
}
