import assert from 'node:assert/strict';
import { ERRORS } from '../../../src/rpc/index.ts';
import { type Row, rowsOf } from '../row.ts';
import type { VendorError } from '../vendor-error.ts';
import { VENDOR_ERRORS } from '../vendor-errors.ts';

const BLANK = /\{\w+\}/g;

/** The table has a row with this code, this status and this text; where the vendor prints `%s`, ours has a blank to fill in. */
function assertInTable({ code, status, message }: VendorError): void {
  const rows = Object.entries(ERRORS).map(([key, [ownStatus, text]]) => [
    key.split(':')[0],
    ownStatus,
    text.replaceAll(BLANK, '%s'),
  ]);
  const own = rows.filter(([key]) => key === code);
  assert.ok(
    own.some(([, ownStatus, text]) => ownStatus === status && text === message),
    `${code} is ${JSON.stringify(own)}`,
  );
}

/** Every error of the vendor's tables: that we have it word for word, and why it does not come up where it does not. */
export const vendorErrors: readonly Row[] = Object.entries(VENDOR_ERRORS).flatMap(([action, errors]) =>
  errors.map((error) => rowsOf(action)('error', error.code, titleOf(error, errors), async () => assertInTable(error))),
);

function titleOf({ code, message, never }: VendorError, errors: readonly VendorError[]): string {
  if (never !== undefined) return `never raised: ${never}`;
  const isOne = errors.filter((error) => error.code === code).length === 1;
  return isOne ? 'has the vendor’s status and text' : `has the vendor’s status and text: “${message}”`;
}
