export { ApiCallError } from './api-call-error.ts';
export { type CallOptions, type CallParams, type Client, type ClientOptions, createClient } from './client.ts';
