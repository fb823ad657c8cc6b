import type { Policy } from './policy.ts';

const allow = (...patterns: string[]): Policy => {
  const action = { not: false, patterns };
  return { statements: [{ effect: 'Allow', action, resource: { not: false, patterns: ['*'] }, conditions: [] }] };
};

/** Policies that every account has, under the vendor's names. */
export const SYSTEM_POLICIES: ReadonlyMap<string, Policy> = new Map([
  ['AdministratorAccess', allow('*')],
  ['AliyunECIFullAccess', allow('eci:*')],
  ['AliyunECIReadOnlyAccess', allow('eci:Describe*', 'eci:List*')],
]);
