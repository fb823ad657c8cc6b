import { LarderError } from '../lib/errors.ts';
import type { RandomBytes } from '../lib/ids.ts';

export type IdentityType = 'user' | 'role';

/** The vendor's ids of RAM users begin with 2, those of roles with 3. */
const ID_DIGITS = 18;
const FIRST_DIGIT: Readonly<Record<IdentityType, string>> = { user: '2', role: '3' };
const ACCOUNT_ID_DIGITS = 16;

/** The resource group of what was put into none; every account has it. */
export const DEFAULT_RESOURCE_GROUP_ID = 'rg-default';

/** Names as RAM has them; a resource group's, an account's and a session's have the same form here. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const POLICY_NAME = /^[A-Za-z0-9-]{1,128}$/;
const VPC_ID = /^[A-Za-z0-9-]{1,64}$/;
const ACCOUNT_ID = /^\d{16}$/;

/** The names that an operator chooses. Each throws `accounts.name` for what is none. */
export function checkName(what: string, name: string): string {
  return check(NAME, name, `the name of ${what} is 1 to 64 letters, digits or . _ @ -, a letter or digit first`);
}

export function checkPolicyName(name: string): string {
  return check(POLICY_NAME, name, 'the name of a policy is 1 to 128 letters, digits or dashes');
}

export function checkVpcId(id: string): string {
  return check(VPC_ID, id, 'the id of a VPC is 1 to 64 letters, digits or dashes');
}

export function checkAccountId(id: string): string {
  return check(ACCOUNT_ID, id, 'the id of an account is 16 digits');
}

/** 16 digits, as the vendor's account ids. */
export function newAccountId(randomBytes: RandomBytes): string {
  return `1${randomDigits(ACCOUNT_ID_DIGITS - 1, randomBytes)}`;
}

export function newIdentityId(type: IdentityType, randomBytes: RandomBytes): string {
  return FIRST_DIGIT[type] + randomDigits(ID_DIGITS - 1, randomBytes);
}

/** What acs:PrincipalARN holds: the account's root, a user, or a role (whatever its session). */
export function principalArn(accountId: string, identity?: { type: IdentityType; name: string }): string {
  return `acs:ram::${accountId}:${identity ? `${identity.type}/${identity.name}` : 'root'}`;
}

function randomDigits(length: number, randomBytes: RandomBytes): string {
  let digits = '';
  // 250 is the largest multiple of 10 below 256.
  while (digits.length < length) {
    for (const byte of randomBytes(length)) if (byte < 250 && digits.length < length) digits += byte % 10;
  }
  return digits;
}

function check(pattern: RegExp, name: string, rule: string): string {
  if (pattern.test(name)) return name;
  throw new LarderError('accounts.name', `${JSON.stringify(name)} does not fit: ${rule}`);
}
