export { createRegistryClient, type RegistryClient } from './client.ts';
export {
  type Credential,
  type CredentialLookup,
  createCredentialLookup,
  credentialsFromList,
} from './credentials.ts';
export { createDockerConfigLookup } from './docker-config.ts';
export type { DownloadOptions } from './download.ts';
export type { RegistryErrorCode } from './errors.ts';
export type { ResolvedImage, ResolvedLayer } from './resolve.ts';
export type { DownloadPolicy, RegistryClientOptions, RegistryTimeouts } from './settings.ts';
