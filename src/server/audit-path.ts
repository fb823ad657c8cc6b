import { join, resolve } from 'node:path';

/** Where the audit log of a data folder is: `setting` when it is given, undefined when that is `off`. */
export function auditLogPath(dataDirectory: string, setting: string | undefined): string | undefined {
  if (setting === 'off') return undefined;
  return setting ? resolve(setting) : join(dataDirectory, 'audit.log');
}
