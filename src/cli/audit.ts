import { type Command, InvalidArgumentError } from 'commander';
import type { AuditRecord } from '../server/index.ts';
import { serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

type AuditOptions = { data?: string; since?: number; follow?: boolean; output: OutputFormat };

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function addAudit(program: Command, io: Io): void {
  const command = program
    .command('audit')
    .description('who changed what, and from where: the audit log of the server on this machine')
    .option('--data <dir>', "the server's data folder (default: that of the profile)")
    .option('--since <time>', 'only later ones: 30m, 12h, 7d, or a time like 2026-01-31T08:00:00Z', parseSince)
    .option('-f, --follow', 'go on with what happens from now on, until Ctrl-C')
    .addHelpText(
      'after',
      `
Every call that changes something is there, with its outcome, and every change by larder account. LARDER_AUDIT_LOG names the
file when the server has it elsewhere than in its data folder.

Examples:
  larder audit --since 24h
  larder audit --follow
  larder audit --output json | jq 'select(.code != "OK")'`,
    );
  addOutputOption(command).action((options: AuditOptions) => audit(io, options));
}

async function audit(io: Io, { data, since = 0, follow = false, output }: AuditOptions): Promise<void> {
  const server = await import('../server/index.ts');
  const path = server.auditLogPath(await serverDataDirectory(io, data), io.env.LARDER_AUDIT_LOG);
  if (path === undefined) return;
  for await (const record of server.readAuditLog(path, { follow, signal: io.signal })) {
    if (Date.parse(record.time) < since) continue;
    if (output === 'json') printJson(io, record);
    else printLine(io, plain(describe(record)));
  }
}

/** `2026-01-31T08:00:00Z  1234567890123456/SubUser:200…  CreateImageCache imc-…  from 10.0.0.7  OK`. */
function describe(record: AuditRecord): string {
  const { time, accountId = '', principal, operator, action, resources, peer, code } = record;
  const user = principal && principal.type !== 'Account' ? `/${principal.type}:${principal.id}` : '';
  const who = operator === undefined ? `${accountId}${user}` : `operator ${operator}`;
  const what = [action, ...resources].join(' ');
  return [`${time.slice(0, 19)}Z`, who, what, `from ${peer}`, code].join('  ');
}

function parseSince(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const timeMs = digits === undefined ? Date.parse(text) : Date.now() - Number(digits) * (UNITS_MS[unit] ?? 0);
  if (Number.isFinite(timeMs)) return timeMs;
  throw new InvalidArgumentError('It takes 30m, 12h, 7d, or a time like 2026-01-31T08:00:00Z.');
}
