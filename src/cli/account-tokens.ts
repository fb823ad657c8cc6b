import { type Command, InvalidArgumentError } from 'commander';
import { formatTime } from '../lib/clock.ts';
import { LarderError } from '../lib/errors.ts';
import {
  type AccountContext,
  type AccountOptions,
  addAccountOptions,
  addGroup,
  report,
  reportList,
  withAccount,
} from './account-command.ts';
import { readPolicyFile } from './account-policies.ts';
import type { Io } from './io.ts';
import { printJson, printLine } from './output.ts';
import { usageError } from './usage.ts';

type TokenOptions = AccountOptions & {
  user?: string;
  role?: string;
  session?: string;
  duration?: number;
  policy?: string;
  mfa?: boolean;
};

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600 };

/** `larder account token create|list|delete`. */
export function addAccountTokens(parent: Command, io: Io): void {
  const group = addGroup(
    parent,
    'token',
    'temporary keys, as of the security token service',
    `
They act for a RAM user, for a role, or for the account itself, last 15 minutes to 12 hours, and may be narrowed down
by a policy.

Examples:
  larder account token create --user ci --duration 30m
  larder account token create --role builder --session night --duration 12h
  larder account token create --policy read-only.json
  larder account token delete STS.4kq0…`,
  );
  addAccountOptions(group.command('create').description('issue a temporary key; it is shown once'))
    .option('--user <name>', 'the RAM user who acts (default: the account itself)')
    .option('--role <name>', 'the RAM role that acts')
    .option('--session <name>', 'name of the role’s session (default: default)')
    .option('--duration <time>', 'how long it lasts: 90m, 2h or seconds (default: 1h)', duration)
    .option('--policy <path>', 'file of a policy that narrows it down; - reads standard input')
    .option('--mfa', 'vouch for a second factor: acs:MFAPresent is true')
    .action((options: TokenOptions) => create(io, options));
  addAccountOptions(group.command('list').description('list the temporary keys, also the newly expired')).action(
    (options: AccountOptions) => list(io, options),
  );
  addAccountOptions(group.command('delete <key-id>').description('revoke a temporary key')).action(
    (id: string, options: AccountOptions) =>
      withAccount(io, options, async ({ admin, account }) => {
        if (!(await admin.store.accounts.deleteTemporaryKey({ accountId: account.id, id }))) {
          throw new LarderError('cli.no-key', `the account has no temporary key ${id}`);
        }
        report(io, options.output, { AccessKeyId: id }, `${id} deleted`);
      }),
  );
}

async function create(io: Io, options: TokenOptions): Promise<void> {
  const { user, role, session, duration: durationSeconds, mfa } = options;
  if (user !== undefined && role !== undefined) throw usageError('name --user or --role, not both');
  if (session !== undefined && role === undefined) throw usageError('a --session is one of a --role');
  await withAccount(io, options, async ({ server, admin, account }) => {
    const wanted =
      user === undefined ? ({ type: 'role', name: role } as const) : ({ type: 'user', name: user } as const);
    const { name } = wanted;
    const identity = name === undefined ? undefined : await server.findIdentity(admin, account, { ...wanted, name });
    const sessionPolicy = options.policy === undefined ? undefined : await readPolicyFile(io, options.policy);
    const request = { account, identity, sessionName: session, durationSeconds, sessionPolicy, mfa };
    const token = await server.issueToken(admin, request);
    const credentials = {
      AccessKeyId: token.id,
      AccessKeySecret: token.secret,
      SecurityToken: token.securityToken,
      Expiration: formatTime(token.expiresAtMs),
    };
    if (options.output === 'json') return printJson(io, credentials);
    printLine(io, `# shown this once; until ${credentials.Expiration}`);
    printLine(io, `export ALIBABA_CLOUD_ACCESS_KEY_ID=${token.id}`);
    printLine(io, `export ALIBABA_CLOUD_ACCESS_KEY_SECRET=${token.secret}`);
    printLine(io, `export ALIBABA_CLOUD_SECURITY_TOKEN=${token.securityToken}`);
  });
}

async function list(io: Io, options: AccountOptions): Promise<void> {
  await withAccount(io, options, async (context) => {
    reportList(io, options.output, {
      name: 'TemporaryKeys',
      items: await temporaryKeysOf(context),
      columns: { KEY: 'AccessKeyId', FOR: 'Principal', EXPIRES: 'Expiration', STATUS: 'Status' },
      empty: 'no temporary keys; issue one with: larder account token create',
    });
  });
}

async function temporaryKeysOf({ admin, account }: AccountContext) {
  const identities = new Map((await admin.store.ram.listIdentities(account.id)).map((each) => [each.id, each]));
  const keys = await admin.store.accounts.listTemporaryKeys(account.id);
  return keys.map(({ id, identityId, sessionName, expiresAtMs }) => {
    const identity = identityId === undefined ? undefined : identities.get(identityId);
    const session = sessionName === undefined ? '' : `:${sessionName}`;
    return {
      AccessKeyId: id,
      Principal: identity ? `${identity.type}/${identity.name}${session}` : 'account',
      Expiration: formatTime(expiresAtMs),
      Status: expiresAtMs <= admin.clock.now() ? 'Expired' : 'Active',
    };
  });
}

/** `90m`, `2h`, `5400s` or `5400` in seconds. */
function duration(text: string): number {
  const [, digits = '', unit = ''] = /^([0-9]{1,6})([smh]?)$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNIT_SECONDS[unit] ?? 1);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError('It takes a time as 90m, 2h or 5400.');
}
