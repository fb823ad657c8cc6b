/**
 * An error of the vendor's tables, status and text as they stand there (`%s` is text of the service). `never` says why this
 * service does not raise it: it is about something that only the vendor's cloud has.
 */
export type VendorError = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly never?: string;
};
