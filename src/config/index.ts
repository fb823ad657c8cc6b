export { type AcrInstanceConfig, readAcrInstances } from './acr-instances.ts';
export { type ClientSettings, resolveClientSettings } from './client-settings.ts';
export { readConfigFile } from './config-file.ts';
export { DEFAULT_REGION_ID } from './constants.ts';
export { defaultDataDirectory, type Environment, profilePath } from './paths.ts';
export { type Profile, readProfile, writeProfile } from './profile.ts';
export {
  DEFAULT_GC_GRACE_S,
  DEFAULT_LISTEN,
  loadServerConfig,
  parseListen,
  type ServerConfig,
  type ServerFlags,
} from './server-config.ts';
