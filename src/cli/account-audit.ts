import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { describeError, LarderError } from '../lib/errors.ts';
import { serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';

/** What only shows. */
const READING = new Set(['list', 'show', 'explain']);
/** Options that name somebody or something; the others may be as long as a policy, or nobody's business. */
const NAMING = ['account', 'user', 'role', 'id', 'resourceGroup'];

/** Leaves a line in the server's audit log after each command of the group that changed the database. */
export function auditChanges(group: Command, io: Io): void {
  group.hook('postAction', async (_group, command) => {
    if (READING.has(command.name())) return;
    const options = command.opts<Readonly<Record<string, unknown>>>();
    const data = typeof options.data === 'string' ? options.data : undefined;
    const server = await import('../server/index.ts');
    const path = server.auditLogPath(await serverDataDirectory(io, data), io.env.LARDER_AUDIT_LOG);
    if (path === undefined) return;
    const named = NAMING.flatMap((name) => {
      const value = options[name];
      return typeof value === 'string' ? [`${name}=${value}`] : [];
    });
    try {
      await server.appendAuditRecord(path, {
        time: new Date().toISOString(),
        operator: operatorName(io),
        action: pathOf(command),
        resources: [...command.args, ...named],
        peer: 'local',
        code: 'OK',
      });
    } catch (cause) {
      throw new LarderError('cli.audit', `the change is made, but not in the audit log: ${describeError(cause)}`, {
        cause,
      });
    }
  });
}

/** `account key create`. */
function pathOf(command: Command): string {
  const names: string[] = [];
  for (let each: Command | null = command; each?.parent; each = each.parent) names.unshift(each.name());
  return names.join(' ');
}

/** Whoever became root for it is named too. */
function operatorName(io: Io): string {
  const { username, uid } = userInfo();
  const name = `${username}(${uid})`;
  return io.env.SUDO_USER ? `${name} for ${io.env.SUDO_USER}` : name;
}
