/** What an operator can say about an account; each has the API's refusal of its own. */
export const ACCOUNT_STATES = [
  /** Bills are open. */
  'arrears',
  /** The service was not enabled for the account. */
  'service-not-enabled',
  /** The account's business status forbids it. */
  'business-status',
  /** Nobody has verified whose account it is. */
  'not-real-name',
  /** Only the account itself may act, none of its RAM users and roles. */
  'sub-user-restricted',
] as const;

export type AccountState = (typeof ACCOUNT_STATES)[number];

export function isAccountState(text: string): text is AccountState {
  const states: readonly string[] = ACCOUNT_STATES;
  return states.includes(text);
}
