import type { Live } from './live.ts';

/** What holds of every call stands under this name in place of an action's. */
export const GATEWAY = 'Gateway';

/** One point of the API: a parameter, a field, an error, a format or a place in the order of checks, and the test that shows it. */
export type Row = {
  /** An action, or GATEWAY. */
  readonly action: string;
  readonly kind: 'parameter' | 'field' | 'error' | 'format' | 'order';
  /** `ImageCacheSize`, `ImageCaches.Events.Reason`, `QuotaExceeded`, `XML`. */
  readonly name: string;
  /** What holds. */
  readonly title: string;
  readonly run: (live: Live) => Promise<void>;
};

/** The name of a row's test, by which the documents point to it. */
export function testName({ action, kind, name, title }: Row): string {
  return `${action} · ${kind} ${name} · ${title}`;
}

/** Rows of one action. */
export function rowsOf(action: string) {
  return (kind: Row['kind'], name: string, title: string, run: Row['run']): Row => ({ action, kind, name, title, run });
}
