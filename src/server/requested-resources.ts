import { MAX_TAGS } from '../caches/index.ts';
import { ApiError, type AuthenticatedCall, type Parameters, parseParams } from '../rpc/index.ts';

type ResourceCall = Pick<AuthenticatedCall, 'parameters' | 'caller' | 'regionId'> & {
  readonly action: Pick<AuthenticatedCall['action'], 'ramAction' | 'ramResource'>;
};

/** One resource that a call is about, as policies name it. */
export type RequestedResource = {
  /** `acs:eci:cn-hangzhou:1234567890123456:imagecache/imc-…` */
  readonly arn: string;
  /** Absent when it is about no cache in particular. */
  readonly cacheId?: string;
};

/** A resource's parameter: `{ImageCacheId}`, or `{ResourceId.1}` for a list of which the first is always there. */
const PLACEHOLDER = /\{(\w+)(\.1)?\}/;
/** More than any action takes; the rest is refused by the action itself. */
const MAX_RESOURCES = 100;
const MANY = { type: 'strings', maxItems: MAX_RESOURCES, doc: '' } as const;
const TAGS = {
  type: 'objects',
  maxItems: MAX_TAGS,
  doc: '',
  fields: { Key: { type: 'string', doc: '' }, Value: { type: 'string', keepEmpty: true, doc: '' } },
} as const;

/** The resources of a call, at least one: with `*` in place of an id that was not sent. */
export function describeResources(call: ResourceCall): readonly RequestedResource[] {
  const { action, caller, parameters } = call;
  const template = action.ramResource ?? '*';
  const arnOf = (relative: string) => `acs:eci:${call.regionId || '*'}:${caller.accountId}:${relative}`;
  const [placeholder, name = '', isList] = PLACEHOLDER.exec(template) ?? [];
  if (placeholder === undefined) return [{ arn: arnOf(template) }];
  const single = parameters.get(name) || [];
  const ids = isList === undefined ? [single].flat() : readList(name, parameters);
  if (ids.length === 0) return [{ arn: arnOf(template.replace(placeholder, () => '*')) }];
  return ids.map((id) => ({ arn: arnOf(template.replace(placeholder, () => id)), cacheId: id }));
}

/**
 * The tags that a call names, by key: those that it sets, or that its list is limited to. A list limited to a key, whatever
 * its value, says nothing about the value, so that tag is left out.
 */
export function requestTags({ action, parameters }: ResourceCall): ReadonlyMap<string, string> {
  const isList = /^\w+:(Describe|List)/i.test(action.ramAction ?? '');
  const tags = new Map<string, string>();
  for (const { Key, Value = isList ? undefined : '' } of orNothing(() => parseParams({ Tag: TAGS }, parameters).Tag)) {
    if (Key !== undefined && Value !== undefined) tags.set(Key, Value);
  }
  return tags;
}

function readList(name: string, parameters: Parameters): readonly string[] {
  return [...new Set(orNothing(() => parseParams({ [name]: MANY }, parameters)[name] ?? []))];
}

/** What can't be read is refused by the action, before it does anything. */
function orNothing<Item>(read: () => readonly Item[]): readonly Item[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof ApiError) return [];
    throw error;
  }
}
