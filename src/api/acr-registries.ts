import { MAX_ACR_DOMAINS, MAX_ACR_REGISTRIES, type RegistryCredential } from '../caches/index.ts';
import { apiError, type ParamValues } from '../rpc/index.ts';

/** An instance of the vendor's registry service, as the operator of this installation describes it. */
export type AcrInstance = {
  /** `host` or `host:port`; the first ones answer when a caller names none. */
  readonly domains: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
};

/** Instances by id, `cri-…`. */
export type AcrInstances = ReadonlyMap<string, AcrInstance>;

export const ACR_REGISTRY_INFO = {
  type: 'objects',
  maxItems: MAX_ACR_REGISTRIES,
  doc: 'Instances of the vendor’s registry service; the configuration of this server says what domains and logins they stand for.',
  fields: {
    InstanceId: { type: 'string', required: true, maxLength: 128, doc: 'Id of the instance.', example: 'cri-0example' },
    InstanceName: { type: 'string', maxLength: 256, ignored: true, doc: 'Name; the id says which it is.' },
    RegionId: { type: 'string', maxLength: 64, ignored: true, doc: 'Region; the id says which it is.' },
    Domain: {
      type: 'strings',
      maxItems: MAX_ACR_DOMAINS,
      maxLength: 255,
      doc: 'Domains of the instance that are used, one each or comma separated; all when absent.',
    },
    ArnService: {
      type: 'string',
      maxLength: 256,
      ignored: true,
      doc: 'Role of the service; the configuration has the login.',
    },
    ArnUser: {
      type: 'string',
      maxLength: 256,
      ignored: true,
      doc: 'Role of the user; the configuration has the login.',
    },
  },
} as const;

type AcrRegistryInfo = ParamValues<typeof ACR_REGISTRY_INFO.fields>;

/**
 * The logins that AcrRegistryInfo stands for. Throws 404 `InvalidParameter.NotFound` for an instance that the configuration
 * doesn't know, 400 `InvalidParameter` for a domain that the instance hasn't.
 */
export function acrLogins(infos: readonly AcrRegistryInfo[], instances: AcrInstances): RegistryCredential[] {
  return infos.flatMap((info, place) => {
    const name = `AcrRegistryInfo.${place + 1}`;
    const instance = instances.get(info.InstanceId);
    if (!instance) throw apiError('InvalidParameter.NotFound', { Param: `${name}.InstanceId`, Value: info.InstanceId });
    const wanted = info.Domain.flatMap((text) => text.split(',')).map((text) => text.trim());
    const unknown = wanted.find((domain) => !instance.domains.includes(domain));
    if (unknown !== undefined) {
      const Reason = `${unknown} is not a domain of ${info.InstanceId}`;
      throw apiError('InvalidParameter', { Param: `${name}.Domain`, Reason });
    }
    const { username, password } = instance;
    if (username === undefined || password === undefined) return [];
    const servers = wanted.length > 0 ? wanted : instance.domains;
    return servers.map((server) => ({ server, username, password }));
  });
}
