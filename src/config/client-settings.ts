import { LarderError } from '../lib/errors.ts';
import { DEFAULT_REGION_ID } from './constants.ts';
import type { Environment } from './paths.ts';
import type { Profile } from './profile.ts';

/** What a client of the API needs. */
export type ClientSettings = {
  /** `http://host:port`, or the bare host the vendor's tools take. */
  endpoint: string;
  regionId: string;
  accessKeyId: string;
  accessKeySecret: string;
  securityToken?: string;
  /** A file of certificates (PEM) that are trusted beside the well-known ones: LARDER_CA_CERT. */
  caCertPath?: string;
  /** The certificate file of the server on this machine: its endpoint must show just this certificate, under any name. */
  pinnedCertPath?: string;
};

/**
 * Each setting from the first place that has it: `LARDER_*`, then the vendor's `ALIBABA_CLOUD_*`, then the profile.
 * A key id and its secret always come from the same place, so that two half pairs never make a wrong one.
 * Throws `config.client-incomplete`, naming what is missing and the next step.
 */
export async function resolveClientSettings(
  env: Environment,
  readProfile: () => Promise<Profile | undefined>,
): Promise<ClientSettings> {
  const fromEnvironment = {
    endpoint: env.LARDER_ENDPOINT || env.ALIBABA_CLOUD_ENDPOINT,
    regionId: env.LARDER_REGION || env.ALIBABA_CLOUD_REGION_ID,
    key: larderKey(env) ?? vendorKey(env),
  };
  const profile = fromEnvironment.endpoint && fromEnvironment.key ? undefined : await readProfile();
  const endpoint = fromEnvironment.endpoint || profile?.endpoint;
  const key = fromEnvironment.key ?? profile;
  if (!endpoint || !key) {
    const missing = [endpoint ? '' : 'LARDER_ENDPOINT', key ? '' : 'LARDER_ACCESS_KEY_ID and LARDER_ACCESS_KEY_SECRET'];
    throw new LarderError(
      'config.client-incomplete',
      `no server to talk to: set ${missing.filter(Boolean).join(' and ')}, or start one on this machine with: larder serve`,
    );
  }
  return {
    endpoint,
    regionId: fromEnvironment.regionId || profile?.regionId || DEFAULT_REGION_ID,
    accessKeyId: key.accessKeyId,
    accessKeySecret: key.accessKeySecret,
    ...(env.LARDER_CA_CERT ? { caCertPath: env.LARDER_CA_CERT } : {}),
    ...(profile?.tlsCert && !env.LARDER_CA_CERT && endpoint === profile.endpoint
      ? { pinnedCertPath: profile.tlsCert }
      : {}),
    ...('securityToken' in key && key.securityToken ? { securityToken: key.securityToken } : {}),
  };
}

type Key = { accessKeyId: string; accessKeySecret: string; securityToken?: string };

function larderKey(env: Environment): Key | undefined {
  return pair(env, 'LARDER_ACCESS_KEY_ID', 'LARDER_ACCESS_KEY_SECRET');
}

function vendorKey(env: Environment): Key | undefined {
  const key = pair(env, 'ALIBABA_CLOUD_ACCESS_KEY_ID', 'ALIBABA_CLOUD_ACCESS_KEY_SECRET');
  const securityToken = env.ALIBABA_CLOUD_SECURITY_TOKEN;
  return key && securityToken ? { ...key, securityToken } : key;
}

function pair(env: Environment, idName: string, secretName: string): Key | undefined {
  const [accessKeyId, accessKeySecret] = [env[idName], env[secretName]];
  if (accessKeyId && accessKeySecret) return { accessKeyId, accessKeySecret };
  if (!accessKeyId && !accessKeySecret) return undefined;
  const missing = accessKeyId ? secretName : idName;
  throw new LarderError('config.client-incomplete', `${missing} is missing: a key id and its secret are set together`);
}
