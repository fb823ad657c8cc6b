/** What others name without loading the client. */
export {
  DEFAULT_DOWNLOAD,
  DEFAULT_MAX_REDIRECTS,
  DEFAULT_RETRY,
  DEFAULT_TIMEOUTS,
  type RegistryClientOptions,
} from './settings.ts';
