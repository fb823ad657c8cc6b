import {
  DEFAULT_RESOURCE_GROUP_ID,
  type Denial,
  evaluate,
  ipInRange,
  normaliseConditionKey,
  type PolicyRequest,
  type PolicySet,
  type PreparedPolicy,
  type Sealer,
} from '../accounts/index.ts';
import type { ImageCache } from '../caches/index.ts';
import { type Clock, formatTime } from '../lib/clock.ts';
import { type ApiError, type AuthenticatedCall, apiError, headerText } from '../rpc/index.ts';
import type { Store } from '../store/index.ts';
import type { AccountDirectory, AccountEntry, IdentityPolicies, KeyEntry } from './account-directory.ts';
import { sealDiagnosis } from './diagnosis.ts';
import { describeResources, type RequestedResource, requestTags } from './requested-resources.ts';

/** What of a call is looked at. */
export type AuthorizedCall = Pick<AuthenticatedCall, 'request' | 'parameters' | 'caller' | 'regionId'> & {
  readonly action: Pick<AuthenticatedCall['action'], 'ramAction' | 'ramResource'>;
};

export type Authorize = (call: AuthorizedCall) => Promise<void>;

/**
 * Decides by the policies of RAM who may do what: 403 `NoPermission`, with the reason as clients show it. The account itself
 * may do everything, unless its temporary key has a policy. A call about several caches needs the permission for each.
 */
export function createAuthorize(parts: {
  directory: AccountDirectory;
  store: Pick<Store, 'caches'>;
  clock: Clock;
  /** Seals what only the operator may read. */
  sealer: Sealer;
}): Authorize {
  const { directory, store, clock, sealer } = parts;

  async function findCaches(call: AuthorizedCall, ids: readonly string[]): Promise<ReadonlyMap<string, ImageCache>> {
    if (ids.length === 0) return new Map();
    const filter = { accountId: call.caller.accountId, regionId: call.regionId, ids };
    const { caches } = await store.caches.find(filter, { limit: ids.length });
    return new Map(caches.map((cache) => [cache.id, cache]));
  }

  return async (call) => {
    const { caller, action } = call;
    if (action.ramAction === undefined) return;
    const key = await directory.key(caller.accessKeyId);
    // Revoked since the signature was checked.
    if (!key) throw apiError('InvalidAccessKeyId.NotFound');
    const { accountId, sessionPolicy, identityId } = key;
    if (!sessionPolicy && identityId === undefined) return;

    const policies = identityId === undefined ? undefined : await directory.policies({ accountId, id: identityId });
    const account = await directory.account(accountId);
    const tags = requestTags(call);
    const common = commonKeys(call, { key, account, tags, nowMs: clock.now() });
    const resources = describeResources(call);
    const caches = await findCaches(
      call,
      resources.flatMap(({ cacheId }) => cacheId ?? []),
    );
    for (const resource of resources) {
      const cache = resource.cacheId === undefined ? undefined : caches.get(resource.cacheId);
      const conditionKeys = new Map([...common, ...tagKeys(resource, cache, tags)]);
      const request = { action: action.ramAction, resource: resource.arn, conditionKeys };
      for (const group of resourceGroups(call, resource, cache)) {
        const denial = evaluate(policySet(sessionPolicy, policies, group), request);
        if (denial) throw noPermission(denial, { key, request, sealer });
      }
    }
  };
}

/**
 * The resource groups in which a call must be allowed: that of its cache, and the one that the cache is moved to; without a
 * cache the one that it names. A list that names none is about all groups, and those of no cache are undefined.
 */
function resourceGroups(
  { action, parameters }: AuthorizedCall,
  resource: RequestedResource,
  cache: ImageCache | undefined,
): readonly (string | undefined)[] {
  const named = parameters.get('ResourceGroupId') || undefined;
  if (resource.cacheId !== undefined) {
    const isMoved = named !== undefined && action.ramAction === 'eci:UpdateImageCache';
    return isMoved ? [cache?.resourceGroupId, named] : [cache?.resourceGroupId];
  }
  return [named ?? (action.ramAction === 'eci:CreateImageCache' ? DEFAULT_RESOURCE_GROUP_ID : undefined)];
}

function policySet(
  session: PreparedPolicy | undefined,
  policies: IdentityPolicies | undefined,
  group: string | undefined,
): PolicySet {
  const resourceGroup = (group !== undefined && policies?.byResourceGroup.get(group)) || [];
  return {
    ...(session ? { session } : {}),
    ...(policies ? { identity: { account: policies.account, resourceGroup } } : {}),
  };
}

/** The condition keys that are the same for every resource of the call. */
function commonKeys(
  { request }: AuthorizedCall,
  facts: { key: KeyEntry; account: AccountEntry | undefined; tags: ReadonlyMap<string, string>; nowMs: number },
): ReadonlyMap<string, string> {
  const { key, account, tags, nowMs } = facts;
  const { peer } = request;
  const userAgent = headerText(request.headers, 'user-agent');
  const vpcId = account?.networks.find(({ range }) => ipInRange(range, peer))?.vpcId;
  const keys: [string, string][] = [
    // A listener on both kinds of addresses shows IPv4 ones as IPv6.
    ['acs:SourceIp', peer.replace(/^::ffff:(?=[0-9.]+$)/i, '')],
    ['acs:CurrentTime', formatTime(nowMs)],
    ['acs:SecureTransport', String(request.secure ?? false)],
    ['acs:PrincipalARN', key.principalArn],
  ];
  if (key.mfa !== undefined) keys.push(['acs:MFAPresent', String(key.mfa)]);
  if (userAgent !== undefined) keys.push(['acs:UserAgent', userAgent]);
  if (vpcId !== undefined) keys.push(['acs:SourceVpc', vpcId]);
  for (const [name, value] of tags) keys.push([`acs:RequestTag/${name}`, value]);
  return new Map(keys.map(([name, value]) => [normaliseConditionKey(name), value]));
}

/** `eci:tag` is about the tags of the cache or, for a call without one, about those that it sets or asks for. */
function tagKeys(
  resource: RequestedResource,
  cache: ImageCache | undefined,
  requested: ReadonlyMap<string, string>,
): [string, string][] {
  const tags = (cache?.tags ?? []).map(({ key, value }): [string, string] => [key, value]);
  const own = resource.cacheId === undefined ? [...requested] : tags;
  return [
    ...tags.map(([key, value]): [string, string] => [normaliseConditionKey(`acs:ResourceTag/${key}`), value]),
    ...own.map(([key, value]): [string, string] => [normaliseConditionKey(`eci:tag/${key}`), value]),
  ];
}

function noPermission(denial: Denial, facts: { key: KeyEntry; request: PolicyRequest; sealer: Sealer }): ApiError {
  const { key, request, sealer } = facts;
  const { action, resource } = request;
  const message = sealDiagnosis(sealer, {
    ...denial,
    accessKeyId: key.id,
    principal: key.principalArn,
    action,
    resource,
    conditionKeys: Object.fromEntries(request.conditionKeys),
  });
  const accessDeniedDetail = {
    PolicyType: denial.policyType,
    NoPermissionType: denial.noPermissionType,
    AuthAction: action,
    AuthResource: resource,
    AuthPrincipalType: key.principal.type,
    AuthPrincipalOwnerId: key.accountId,
    AuthPrincipalDisplayName: key.principal.id,
    EncodedDiagnosticMessage: message,
  };
  return apiError('NoPermission', { Resource: resource, Action: action }, { accessDeniedDetail });
}
