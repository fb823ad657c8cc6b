import type { Command } from 'commander';
import { auditChanges } from './account-audit.ts';
import { addDataOption, addGroup, dateField, report, reportList, withAdmin } from './account-command.ts';
import { addAccountGroups } from './account-groups.ts';
import { addAccountIdentities } from './account-identities.ts';
import { addAccountKeys } from './account-keys.ts';
import { addAccountPolicies } from './account-policies.ts';
import { addAccountSettings } from './account-settings.ts';
import { addAccountTokens } from './account-tokens.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';

type CreateOptions = { data?: string; id?: string; output: OutputFormat };

/** `larder account …`: who may use the server, and for what. */
export function addAccount(program: Command, io: Io): void {
  const group = addGroup(
    program,
    'account',
    "accounts, keys, RAM users and their policies, on the server's machine",
    `
These commands work on the server's data folder itself, as the user who runs the server and also while it runs; what
they change holds from the next request on.

Examples:
  larder account create team-a
  larder account user create ci --account team-a
  larder account policy attach AliyunECIFullAccess --user ci --account team-a
  larder account key create --user ci --account team-a
  larder account token create --user ci --duration 30m --account team-a
  larder account state set arrears --account team-a
  larder account quota set 100 --account team-a`,
  );
  auditChanges(group, io);
  addDataOption(group.command('create <name>').description('make an account with its first key'))
    .option('--id <digits>', 'its id, 16 digits (default: a random one)')
    .addHelpText('after', '\nExample:\n  larder account create team-a --output json')
    .action((name: string, options: CreateOptions) => create(io, name, options));
  addDataOption(group.command('list').description('list the accounts, oldest first')).action(
    (options: { data?: string; output: OutputFormat }) => list(io, options),
  );
  addAccountKeys(group, io);
  addAccountIdentities(group, io);
  addAccountPolicies(group, io);
  addAccountGroups(group, io);
  addAccountTokens(group, io);
  addAccountSettings(group, io);
  addDataOption(
    group.command('explain <message>').description('say why a call was refused, from its EncodedDiagnosticMessage'),
  )
    .addHelpText('after', '\nExample:\n  larder account explain bGFyZGVyOnYxOi…')
    .action((message: string, options: { data?: string; output: OutputFormat }) => explain(io, message, options));
}

async function create(io: Io, name: string, options: CreateOptions): Promise<void> {
  await withAdmin(io, options, async ({ server, admin }) => {
    const { id } = options;
    const { account, key } = await server.createAccount(admin, { name, ...(id === undefined ? {} : { id }) });
    const ids = { AccountId: account.id, AccountName: account.name };
    if (options.output === 'json') {
      printJson(io, { ...ids, AccessKeyId: key.id, AccessKeySecret: key.secret });
      return;
    }
    printLine(io, `account ${account.id} (${account.name}), with the key ${key.id}`);
    printLine(io, `its secret, shown this once: ${key.secret}`);
  });
}

async function list(io: Io, options: { data?: string; output: OutputFormat }): Promise<void> {
  const accounts = await withAdmin(io, options, ({ admin }) => admin.store.accounts.list());
  reportList(io, options.output, {
    name: 'Accounts',
    items: accounts.map(({ id, name, createdAtMs, states, maxImageCaches }) => ({
      AccountId: id,
      AccountName: name,
      ...dateField('CreateDate', createdAtMs),
      States: states,
      ...(maxImageCaches === undefined ? {} : { MaxImageCaches: maxImageCaches }),
    })),
    columns: { ID: 'AccountId', NAME: 'AccountName', CREATED: 'CreateDate', QUOTA: 'MaxImageCaches', STATES: 'States' },
    empty: 'no accounts; the first start of larder serve makes one',
  });
}

async function explain(io: Io, message: string, options: { data?: string; output: OutputFormat }): Promise<void> {
  const diagnosis = await withAdmin(io, options, async ({ server, admin }) =>
    server.openDiagnosis(admin.sealers.diagnoses, message),
  );
  const { statement, conditionKeys, ...facts } = diagnosis;
  const answer = {
    Principal: facts.principal,
    AccessKeyId: facts.accessKeyId,
    Action: facts.action,
    Resource: facts.resource,
    PolicyType: facts.policyType,
    NoPermissionType: facts.noPermissionType,
    ...(statement ? { Policy: statement.policy, Statement: statement.index } : {}),
    ConditionKeys: conditionKeys,
  };
  const reason = statement
    ? `statement ${statement.index} of policy ${statement.policy} denies it`
    : 'no policy allows it';
  const keys = Object.entries(conditionKeys).map(([key, value]) => `${key}=${value}`);
  const line = `${facts.principal}: ${facts.action} on ${facts.resource}: ${reason} (${facts.policyType}); ${keys.join(', ')}`;
  report(io, options.output, answer, line);
}
