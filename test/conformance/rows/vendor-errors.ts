import assert from 'node:assert/strict';
import { ERRORS } from '../../../src/rpc/index.ts';
import { type Row, rowsOf } from '../row.ts';
import { VENDOR_ERRORS, type VendorError } from '../vendor-errors.ts';

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
  errors.map((error) => {
    const reason = error.never === undefined ? '' : `; never raised: ${error.never}`;
    const title = `${error.status}, “${error.message}”${reason}`;
    return rowsOf(action)('error', error.code, title, async () => assertInTable(error));
  }),
);
