import type { ApiError } from './api-error.ts';

/** A request as any HTTP listener can hand it over; header names in lower case, repeated headers in order. */
export type RpcRequest = {
  readonly method: string;
  /** As sent, percent-encoded; `/` for RPC. */
  readonly path: string;
  /** Query text as received, without the `?`. */
  readonly rawQuery: string;
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: Uint8Array;
  /** Address of the caller. */
  readonly peer: string;
  /** Whether it came over TLS; absent means no. */
  readonly secure?: boolean;
  /** What the listener found wrong with it, such as a body that is too long and was not read: the answer, once its format is known. */
  readonly refused?: ApiError;
};

/** Text, or parts of it in their order, those that are long as UTF-8: they are sent as they lie, not joined. */
export type Body = string | readonly (string | Uint8Array)[];

export type RpcResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
};

export function bodyText(body: Body): string {
  if (typeof body === 'string') return body;
  return body.map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString())).join('');
}

/** Where the pipeline logs: a part of pino's logger. Never called with a secret, token, signature or header map. */
export type RpcLog = {
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
};

/**
 * One header as the signature rules see it: the trimmed values sorted and joined with `,`. Everything that reads a header
 * uses this, so that a repeated header can't mean one thing to the signature and another to the handler.
 */
export function headerText(headers: RpcRequest['headers'], name: string): string | undefined {
  const values = headers.get(name);
  if (values === undefined || values.length === 0) return undefined;
  if (values.length === 1) return values[0]?.trim();
  return values
    .map((value) => value.trim())
    .toSorted()
    .join(',');
}
