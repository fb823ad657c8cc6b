import type { Command } from 'commander';
import {
  type AccountContext,
  type AccountOptions,
  addAccountOptions,
  addGroup,
  dateField,
  type Item,
  report,
  reportList,
  withAccount,
} from './account-command.ts';
import type { Io } from './io.ts';

type IdentityType = 'user' | 'role';
type Kind = { type: IdentityType; label: 'User' | 'Role'; list: 'Users' | 'Roles'; description: string; help: string };

const KINDS: readonly Kind[] = [
  {
    type: 'user',
    label: 'User',
    list: 'Users',
    description: 'RAM users: they have keys of their own and do what their policies allow',
    help: `
Examples:
  larder account user create ci
  larder account policy attach AliyunECIReadOnlyAccess --user ci
  larder account key create --user ci`,
  },
  {
    type: 'role',
    label: 'Role',
    list: 'Roles',
    description: 'RAM roles: temporary keys act for them, within their policies',
    help: `
Examples:
  larder account role create builder
  larder account policy attach AliyunECIFullAccess --role builder
  larder account token create --role builder --session night --duration 2h`,
  },
];

/** `larder account user|role create|list|delete`. */
export function addAccountIdentities(parent: Command, io: Io): void {
  for (const kind of KINDS) addKind(parent, io, kind);
}

function addKind(parent: Command, io: Io, kind: Kind): void {
  const { type } = kind;
  const group = addGroup(parent, type, kind.description, kind.help);
  addAccountOptions(group.command('create <name>').description(`make a ${type}, who may do nothing yet`)).action(
    (name: string, options: AccountOptions) =>
      withAccount(io, options, async ({ server, admin, account }) => {
        const identity = await server.createIdentity(admin, account, { type, name });
        const answer = { AccountId: account.id, [`${kind.label}Id`]: identity.id, [`${kind.label}Name`]: name };
        report(io, options.output, answer, `${type} ${name} (${identity.id}) of account ${account.id}`);
      }),
  );
  addAccountOptions(group.command('list').description(`list the ${type}s with their policies`)).action(
    (options: AccountOptions) =>
      withAccount(io, options, async (context) => {
        reportList(io, options.output, {
          name: kind.list,
          items: await identitiesOf(context, kind),
          columns: { ID: `${kind.label}Id`, NAME: `${kind.label}Name`, CREATED: 'CreateDate', POLICIES: 'Policies' },
          empty: `no ${type}s; make one with: larder account ${type} create NAME`,
        });
      }),
  );
  addAccountOptions(group.command('delete <name>').description(`delete a ${type} with its keys`)).action(
    (name: string, options: AccountOptions) =>
      withAccount(io, options, async ({ server, admin, account }) => {
        const identity = await server.findIdentity(admin, account, { type, name });
        await admin.store.ram.deleteIdentity(identity);
        const answer = { [`${kind.label}Id`]: identity.id, [`${kind.label}Name`]: identity.name };
        report(io, options.output, answer, `${type} ${identity.name} deleted`);
      }),
  );
}

/** `Policies` are names; with `@` and the group, those that hold within a resource group. */
async function identitiesOf({ admin, account }: AccountContext, { type, label }: Kind) {
  const attachments = await admin.store.ram.listAttachments(account.id);
  const identities = await admin.store.ram.listIdentities(account.id);
  return identities
    .filter((identity) => identity.type === type)
    .map((identity): Item => {
      const own = attachments.filter(({ identityId }) => identityId === identity.id);
      return {
        [`${label}Id`]: identity.id,
        [`${label}Name`]: identity.name,
        ...dateField('CreateDate', identity.createdAtMs),
        Policies: own.map(({ policyName, resourceGroupId: group }) => (group ? `${policyName}@${group}` : policyName)),
      };
    });
}
