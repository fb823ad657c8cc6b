import { normaliseConditionKey } from './condition-keys.ts';
import { prepareCondition } from './conditions.ts';
import type { Policy, Selection, Statement } from './policy.ts';
import { matchesWildcard } from './wildcard.ts';

/** A policy made ready to be asked often. */
export type PreparedPolicy = { readonly name: string; readonly statements: readonly PreparedStatement[] };
type PreparedStatement = {
  readonly effect: Statement['effect'];
  /** Whether the statement is about this request. */
  readonly matches: (request: PolicyRequest) => boolean;
};

/** What policies are asked about. `conditionKeys`: what the request has, by normalised key (`normaliseConditionKey`). */
export type PolicyRequest = {
  /** `eci:DeleteImageCache` */
  readonly action: string;
  /** `acs:eci:cn-hangzhou:1234567890123456:imagecache/imc-…` */
  readonly resource: string;
  readonly conditionKeys: ReadonlyMap<string, string>;
};

/** What holds for a caller. */
export type PolicySet = {
  /** Narrows a temporary key down. */
  readonly session?: PreparedPolicy;
  /** Absent for the account itself, which RAM does not restrict. */
  readonly identity?: {
    readonly account: readonly PreparedPolicy[];
    /** Those attached within the resource group that the request is about. */
    readonly resourceGroup: readonly PreparedPolicy[];
  };
};

export type PolicyType = 'SessionPolicy' | 'AccountLevelIdentityBasedPolicy' | 'ResourceGroupLevelIdentityBasedPolicy';

export type Denial = {
  readonly policyType: PolicyType;
  readonly noPermissionType: 'ImplicitDeny' | 'ExplicitDeny';
  /** The statement that denies, for an explicit one. */
  readonly statement?: { readonly policy: string; readonly index: number };
};

export function preparePolicy(name: string, policy: Policy): PreparedPolicy {
  return { name, statements: policy.statements.map(prepareStatement) };
}

/**
 * Undefined when the request is allowed. Nothing is, unless a policy allows it; whatever else allows it, a policy that denies
 * it wins. A session's policy must allow it too.
 */
export function evaluate({ session, identity }: PolicySet, request: PolicyRequest): Denial | undefined {
  if (session) {
    const verdict = judge([session], request);
    if (verdict !== 'Allow') return denial('SessionPolicy', verdict);
  }
  if (!identity) return undefined;
  const account = judge(identity.account, request);
  if (typeof account === 'object') return denial('AccountLevelIdentityBasedPolicy', account);
  const resourceGroup = judge(identity.resourceGroup, request);
  if (typeof resourceGroup === 'object') return denial('ResourceGroupLevelIdentityBasedPolicy', resourceGroup);
  if (account === 'Allow' || resourceGroup === 'Allow') return undefined;
  const isLast = identity.resourceGroup.length > 0;
  return denial(isLast ? 'ResourceGroupLevelIdentityBasedPolicy' : 'AccountLevelIdentityBasedPolicy', undefined);
}

/** The statement that denies; else whether one allows. */
type Verdict = { policy: string; index: number } | 'Allow' | undefined;

function judge(policies: readonly PreparedPolicy[], request: PolicyRequest): Verdict {
  let allowed = false;
  for (const { name, statements } of policies) {
    for (const [index, { effect, matches }] of statements.entries()) {
      // Once something allows, only denials are of interest.
      if ((allowed && effect === 'Allow') || !matches(request)) continue;
      if (effect === 'Deny') return { policy: name, index };
      allowed = true;
    }
  }
  return allowed ? 'Allow' : undefined;
}

function denial(policyType: PolicyType, verdict: Exclude<Verdict, 'Allow'>): Denial {
  if (verdict === undefined) return { policyType, noPermissionType: 'ImplicitDeny' };
  return { policyType, noPermissionType: 'ExplicitDeny', statement: verdict };
}

function prepareStatement({ effect, action, resource, conditions }: Statement): PreparedStatement {
  // Actions are compared without regard to case, resources with.
  const actions = { ...action, patterns: action.patterns.map((pattern) => pattern.toLowerCase()) };
  const prepared = conditions.map((condition) => {
    const key = normaliseConditionKey(condition.key);
    const holds = prepareCondition(condition);
    return (request: PolicyRequest) => holds(request.conditionKeys.get(key));
  });
  return {
    effect,
    matches: (request) =>
      selects(actions, request.action.toLowerCase()) &&
      selects(resource, request.resource) &&
      prepared.every((holds) => holds(request)),
  };
}

function selects({ not, patterns }: Selection, text: string): boolean {
  return patterns.some((pattern) => matchesWildcard(pattern, text)) !== not;
}
