import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { LarderError } from '../lib/errors.ts';
import {
  type AccountContext,
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
import { usageError } from './usage.ts';

type AttachOptions = AccountOptions & { user?: string; role?: string; resourceGroup?: string };

/** `larder account policy put|list|show|delete|attach|detach`. */
export function addAccountPolicies(parent: Command, io: Io): void {
  const group = addGroup(
    parent,
    'policy',
    'policies in the language of RAM, and who has them',
    `
Every account has AdministratorAccess, AliyunECIFullAccess and AliyunECIReadOnlyAccess.

Examples:
  larder account policy put own-caches --file policy.json
  larder account policy attach own-caches --user ci
  larder account policy attach AliyunECIFullAccess --user ci --resource-group team-a
  larder account policy detach own-caches --user ci`,
  );
  addAccountOptions(group.command('put <name>').description('store a policy, or replace it'))
    .requiredOption('--file <path>', 'the policy document, JSON; - reads standard input')
    .action((name: string, options: AccountOptions & { file: string }) =>
      withAccount(io, options, async ({ server, admin, account }) => {
        await server.putPolicy(admin, account, { name, document: await readPolicyFile(io, options.file) });
        report(io, options.output, { AccountId: account.id, PolicyName: name }, `policy ${name} stored`);
      }),
    );
  addAccountOptions(group.command('list').description('list the policies, those of the system too')).action(
    (options: AccountOptions) =>
      withAccount(io, options, async (context) => {
        reportList(io, options.output, {
          name: 'Policies',
          items: await policiesOf(context),
          columns: { NAME: 'PolicyName', TYPE: 'PolicyType', CHANGED: 'UpdateDate', ATTACHED: 'AttachmentCount' },
          empty: 'no policies',
        });
      }),
  );
  addAccountOptions(group.command('show <name>').description('print the document of a policy')).action(
    (name: string, options: AccountOptions) =>
      withAccount(io, options, async ({ server, admin, account }) => {
        const document = await server.policyDocument(admin, account, name);
        if (options.output === 'json') printJson(io, { PolicyName: name, PolicyDocument: document });
        else printLine(io, JSON.stringify(JSON.parse(document), undefined, 2));
      }),
  );
  addAccountOptions(group.command('delete <name>').description('delete a policy that nobody has')).action(
    (name: string, options: AccountOptions) =>
      withAccount(io, options, async ({ server, admin, account }) => {
        await server.deletePolicy(admin, account, name);
        report(io, options.output, { PolicyName: name }, `policy ${name} deleted`);
      }),
  );
  const holders = (command: Command) =>
    addAccountOptions(command)
      .option('--user <name>', 'the RAM user')
      .option('--role <name>', 'the RAM role')
      .option(
        '--resource-group <id>',
        'id or name of the resource group that it holds in (default: the whole account)',
      );
  holders(group.command('attach <name>').description('give a policy to a user or role')).action(
    (name: string, options: AttachOptions) => attach(io, name, options),
  );
  holders(group.command('detach <name>').description('take a policy from a user or role')).action(
    (name: string, options: AttachOptions) => detach(io, name, options),
  );
}

async function attach(io: Io, policyName: string, options: AttachOptions): Promise<void> {
  await withAccount(io, options, async (context) => {
    const { attachment, answer, holder } = await findAttachment(context, policyName, options);
    await context.server.attachPolicy(context.admin, context.account, attachment);
    report(io, options.output, answer, `${holder} has ${policyName}`);
  });
}

async function detach(io: Io, policyName: string, options: AttachOptions): Promise<void> {
  await withAccount(io, options, async (context) => {
    const { attachment, answer, holder } = await findAttachment(context, policyName, options);
    if (!(await context.admin.store.ram.detachPolicy(attachment))) {
      throw new LarderError('cli.not-attached', `${holder} does not have ${policyName}`);
    }
    report(io, options.output, answer, `${holder} no longer has ${policyName}`);
  });
}

async function findAttachment({ server, admin, account }: AccountContext, policyName: string, options: AttachOptions) {
  const { user, role, resourceGroup } = options;
  if ((user === undefined) === (role === undefined)) throw usageError('name either --user or --role');
  const wanted =
    user === undefined ? ({ type: 'role', name: role ?? '' } as const) : ({ type: 'user', name: user } as const);
  const identity = await server.findIdentity(admin, account, wanted);
  const group = resourceGroup === undefined ? undefined : await server.findResourceGroup(admin, account, resourceGroup);
  return {
    attachment: { identityId: identity.id, policyName, ...(group ? { resourceGroupId: group.id } : {}) },
    answer: {
      PolicyName: policyName,
      [user === undefined ? 'RoleName' : 'UserName']: identity.name,
      ...(group ? { ResourceGroupId: group.id } : {}),
    },
    holder: `${identity.type} ${identity.name}${group ? `, in resource group ${group.name},` : ''}`,
  };
}

async function policiesOf({ server, admin, account }: AccountContext) {
  const attachments = await admin.store.ram.listAttachments(account.id);
  const countOf = (name: string) => attachments.filter(({ policyName }) => policyName === name).length;
  const own = (await admin.store.ram.listPolicies(account.id)).map(({ name, changedAtMs }) => ({
    PolicyName: name,
    PolicyType: 'Custom',
    ...dateField('UpdateDate', changedAtMs),
    AttachmentCount: countOf(name),
  }));
  const system = server.systemPolicyNames().map((name) => ({
    PolicyName: name,
    PolicyType: 'System',
    AttachmentCount: countOf(name),
  }));
  return [...own, ...system];
}

/** The text of a policy file; `-` is standard input. */
export async function readPolicyFile(io: Io, path: string): Promise<string> {
  return path === '-' ? text(io.stdin) : readFile(path, 'utf8');
}
