import { LarderError } from '../lib/errors.ts';
import { ERRORS } from './error-table.ts';

export type ErrorKey = keyof typeof ERRORS;

/** The names in braces in a text: `'{Quota} quota exceeded.'` has `'Quota'`. */
type Placeholder<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholder<Rest>
  : never;
type Facts<Key extends ErrorKey> = {
  readonly [Name in Placeholder<Key> | Placeholder<(typeof ERRORS)[Key][1]>]: string | number;
};

/** Why RAM refused, as clients show it; all strings (Go's client panics on anything else). */
export type AccessDeniedDetail = Readonly<
  Partial<
    Record<
      | 'PolicyType'
      | 'NoPermissionType'
      | 'AuthAction'
      | 'AuthResource'
      | 'AuthPrincipalType'
      | 'AuthPrincipalOwnerId'
      | 'AuthPrincipalDisplayName'
      | 'EncodedDiagnosticMessage',
      string
    >
  >
>;

type ApiErrorOptions = {
  readonly accessDeniedDetail?: AccessDeniedDetail;
  /** Sent as `x-acs-retry-after`. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
};

/** An error the caller sees as it is: wire code, HTTP status and message. Made by `apiError`. */
export class ApiError extends LarderError {
  readonly status: number;
  readonly accessDeniedDetail: AccessDeniedDetail | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(row: { code: string; status: number; message: string }, options: ApiErrorOptions = {}) {
    super(row.code, row.message, { cause: options.cause });
    this.name = 'ApiError';
    this.status = row.status;
    this.accessDeniedDetail = options.accessDeniedDetail;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * An error of the table with its blanks filled in: `throw apiError('QuotaExceeded', { Quota: 'ImageCache' })`,
 * `throw apiError('Missing{Param}', { Param: 'RegionId' })` for the code `MissingRegionId`.
 */
export function apiError<Key extends ErrorKey>(
  key: Key,
  ...[facts, options]: [Placeholder<Key> | Placeholder<(typeof ERRORS)[Key][1]>] extends [never]
    ? [facts?: Record<string, never>, options?: ApiErrorOptions]
    : [facts: Facts<Key>, options?: ApiErrorOptions]
): ApiError {
  const [status, message] = ERRORS[key];
  const [code = key] = key.split(':');
  return new ApiError({ code: fill(code, facts), status, message: fill(message, facts) }, options);
}

/** One pass, so that a `{…}` inside a value stays as it is. */
function fill(template: string, facts: Readonly<Record<string, string | number>> | undefined): string {
  return template.replace(/\{(\w+)\}/g, (blank, name: string) => String(facts?.[name] ?? blank));
}
