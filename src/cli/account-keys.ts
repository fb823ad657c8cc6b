import type { Command } from 'commander';
import { LarderError } from '../lib/errors.ts';
import {
  type AccountOptions,
  addAccountOptions,
  addGroup,
  dateField,
  report,
  reportList,
  withAccount,
} from './account-command.ts';
import type { Io } from './io.ts';
import { printJson, printLine } from './output.ts';

type KeyOptions = AccountOptions & { user?: string };

/** `larder account key create|list|disable|enable|delete`. */
export function addAccountKeys(parent: Command, io: Io): void {
  const group = addGroup(
    parent,
    'key',
    'access keys of an account and its users',
    `
A key that the environment presets (LARDER_ACCESS_KEY_ID) is made active again by the next start of larder serve.

Examples:
  larder account key create
  larder account key create --user ci
  larder account key disable LRDR4kq0…`,
  );
  addAccountOptions(group.command('create').description('make a key; its secret is shown once'))
    .option('--user <name>', 'a RAM user whose key it is (default: the account itself)')
    .action((options: KeyOptions) => create(io, options));
  addAccountOptions(group.command('list').description('list the keys, without their secrets')).action(
    (options: AccountOptions) => list(io, options),
  );
  addAccountOptions(group.command('disable <key-id>').description('refuse a key from now on')).action(
    (id: string, options: AccountOptions) => setActive(io, id, { ...options, active: false }),
  );
  addAccountOptions(group.command('enable <key-id>').description('take a disabled key again')).action(
    (id: string, options: AccountOptions) => setActive(io, id, { ...options, active: true }),
  );
  addAccountOptions(group.command('delete <key-id>').description('forget a key')).action(
    (id: string, options: AccountOptions) => remove(io, id, options),
  );
}

async function create(io: Io, options: KeyOptions): Promise<void> {
  await withAccount(io, options, async ({ server, admin, account }) => {
    const { user: name } = options;
    const user = name === undefined ? undefined : await server.findIdentity(admin, account, { type: 'user', name });
    const key = await server.createAccessKey(admin, { account, user });
    const owner = user ? { UserName: user.name } : {};
    if (options.output === 'json') {
      printJson(io, { AccountId: account.id, ...owner, AccessKeyId: key.id, AccessKeySecret: key.secret });
      return;
    }
    printLine(io, `key ${key.id} of ${user ? `user ${user.name}` : `account ${account.id}`}`);
    printLine(io, `its secret, shown this once: ${key.secret}`);
  });
}

async function list(io: Io, options: AccountOptions): Promise<void> {
  await withAccount(io, options, async ({ admin, account }) => {
    const identities = await admin.store.ram.listIdentities(account.id);
    const names = new Map(identities.map(({ id, name }) => [id, name]));
    const keys = await admin.store.accounts.listAccessKeys(account.id);
    reportList(io, options.output, {
      name: 'AccessKeys',
      items: keys.map(({ id, active, userId, createdAtMs }) => ({
        AccessKeyId: id,
        Status: active ? 'Active' : 'Inactive',
        ...(userId === undefined ? {} : { UserName: names.get(userId) ?? userId }),
        ...dateField('CreateDate', createdAtMs),
      })),
      columns: { KEY: 'AccessKeyId', STATUS: 'Status', USER: 'UserName', CREATED: 'CreateDate' },
      empty: 'no keys; make one with: larder account key create',
    });
  });
}

async function setActive(io: Io, id: string, options: AccountOptions & { active: boolean }): Promise<void> {
  await withAccount(io, options, async ({ admin, account }) => {
    const { active, output } = options;
    if (!(await admin.store.accounts.setAccessKeyActive({ accountId: account.id, id }, active))) throw noKey(id);
    const Status = active ? 'Active' : 'Inactive';
    report(io, output, { AccessKeyId: id, Status }, `${id} is ${active ? 'enabled' : 'disabled'}`);
  });
}

async function remove(io: Io, id: string, options: AccountOptions): Promise<void> {
  await withAccount(io, options, async ({ admin, account }) => {
    if (!(await admin.store.accounts.deleteAccessKey({ accountId: account.id, id }))) throw noKey(id);
    report(io, options.output, { AccessKeyId: id }, `${id} deleted`);
  });
}

function noKey(id: string): LarderError {
  return new LarderError('cli.no-key', `the account has no key ${id}; larder account key list shows them`);
}
