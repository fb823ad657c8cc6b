export { ApiCallError } from './api-call-error.ts';
export {
  type AnswerBody,
  type CallOptions,
  type CallParams,
  type Client,
  type ClientOptions,
  createClient,
} from './client.ts';
export type { Trust } from './trust.ts';
