import type { Command } from 'commander';
import {
  type AccountContext,
  type AccountOptions,
  addAccountOptions,
  addGroup,
  report,
  withAccount,
} from './account-command.ts';
import type { Io } from './io.ts';
import { usageError } from './usage.ts';

/** `larder account state set|clear|show` and `larder account quota set|show`. */
export function addAccountSettings(parent: Command, io: Io): void {
  addStates(parent, io);
  addQuota(parent, io);
}

function addStates(parent: Command, io: Io): void {
  const group = addGroup(
    parent,
    'state',
    'states of an account in which its calls are refused',
    `
States, and what calls are answered:
  arrears                Account.Arrearage
  service-not-enabled    ServiceNotEnabled
  business-status        Forbidden.UserBussinessStatus
  not-real-name          Forbidden.UserNotRealNameAuthentication
  sub-user-restricted    Forbidden.SubUser, to RAM users and roles; the account itself may go on

Examples:
  larder account state set arrears --account team-a
  larder account state clear arrears --account team-a`,
  );
  addAccountOptions(group.command('set <state...>').description('put the account into states')).action(
    (states: string[], options: AccountOptions) => change(io, { set: states }, options),
  );
  addAccountOptions(group.command('clear <state...>').description('take the account out of states')).action(
    (states: string[], options: AccountOptions) => change(io, { clear: states }, options),
  );
  addAccountOptions(group.command('show').description('show the states of the account')).action(
    (options: AccountOptions) => change(io, {}, options),
  );
}

async function change(io: Io, wanted: { set?: string[]; clear?: string[] }, options: AccountOptions): Promise<void> {
  await withAccount(io, options, async (context) => {
    const { admin, account } = context;
    const { set = [], clear = [] } = wanted;
    const request = { set: statesOf(context, set), clear: statesOf(context, clear) };
    const isChange = set.length + clear.length > 0;
    const changed = isChange ? await admin.store.accounts.changeStates(account.id, request) : account;
    const states = changed?.states ?? [];
    const line = `account ${account.id} (${account.name}): ${states.join(', ') || 'in none of these states'}`;
    report(io, options.output, { AccountId: account.id, States: states }, line);
  });
}

function statesOf({ server }: AccountContext, names: readonly string[]) {
  return names.map((name) => {
    if (server.isAccountState(name)) return name;
    throw usageError(`there is no state ${name}; there are ${server.ACCOUNT_STATES.join(', ')}`);
  });
}

function addQuota(parent: Command, io: Io): void {
  const group = addGroup(
    parent,
    'quota',
    'how many image caches an account may have in a region',
    `
Examples:
  larder account quota set 100 --account team-a
  larder account quota set default --account team-a`,
  );
  addAccountOptions(group.command('set <number>').description('a number, or default for that of the server')).action(
    (text: string, options: AccountOptions) =>
      withAccount(io, options, async ({ admin, account }) => {
        const maxImageCaches = text === 'default' ? undefined : quotaOf(text);
        await admin.store.accounts.setMaxImageCaches(account.id, maxImageCaches);
        showQuota(io, { ...account, maxImageCaches }, options);
      }),
  );
  addAccountOptions(group.command('show').description('show the quota')).action((options: AccountOptions) =>
    withAccount(io, options, async ({ account }) => showQuota(io, account, options)),
  );
}

function quotaOf(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw usageError(`a quota is a whole number up to nine digits, or default, not ${text}`);
}

function showQuota(
  io: Io,
  account: { id: string; name: string; maxImageCaches?: number | undefined },
  { output }: AccountOptions,
): void {
  const { id, name, maxImageCaches } = account;
  const quota = maxImageCaches === undefined ? {} : { MaxImageCaches: maxImageCaches };
  const count =
    maxImageCaches === undefined
      ? 'as many image caches as the server lets everybody have'
      : `${maxImageCaches} image caches`;
  report(io, output, { AccountId: id, ...quota }, `account ${id} (${name}): ${count} in a region`);
}
