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

/** `larder account group create|list|delete` and `larder account network add|list|delete`. */
export function addAccountGroups(parent: Command, io: Io): void {
  addResourceGroups(parent, io);
  addNetworks(parent, io);
}

function addResourceGroups(parent: Command, io: Io): void {
  const group = addGroup(
    parent,
    'group',
    'resource groups: image caches that belong together',
    `
Image caches that name no group are in rg-default, which every account has.

Examples:
  larder account group create team-a
  larder account policy attach AliyunECIFullAccess --user ci --resource-group team-a`,
  );
  addAccountOptions(group.command('create <name>').description('make a resource group')).action(
    (name: string, options: AccountOptions) =>
      withAccount(io, options, async ({ server, admin, account }) => {
        const { id } = await server.createResourceGroup(admin, account, name);
        const answer = { AccountId: account.id, ResourceGroupId: id, Name: name };
        report(io, options.output, answer, `resource group ${id} (${name}) of account ${account.id}`);
      }),
  );
  addAccountOptions(group.command('list').description('list the resource groups that were made')).action(
    (options: AccountOptions) =>
      withAccount(io, options, async ({ admin, account }) => {
        const groups = await admin.store.ram.listResourceGroups(account.id);
        reportList(io, options.output, {
          name: 'ResourceGroups',
          items: groups.map(({ id, name, createdAtMs }) => {
            return { ResourceGroupId: id, Name: name, ...dateField('CreateDate', createdAtMs) };
          }),
          columns: { ID: 'ResourceGroupId', NAME: 'Name', CREATED: 'CreateDate' },
          empty: 'none but rg-default; make one with: larder account group create NAME',
        });
      }),
  );
  addAccountOptions(group.command('delete <id>').description('delete a resource group with nothing in it')).action(
    (id: string, options: AccountOptions) =>
      withAccount(io, options, async ({ server, admin, account }) => {
        const { id: deleted, name } = await server.deleteResourceGroup(admin, account, id);
        report(io, options.output, { ResourceGroupId: deleted, Name: name }, `resource group ${name} deleted`);
      }),
  );
}

function addNetworks(parent: Command, io: Io): void {
  const group = addGroup(
    parent,
    'network',
    'which addresses belong to which VPC, for the condition key acs:SourceVpc',
    `
Where blocks overlap, the smallest one counts. Addresses of no VPC have no acs:SourceVpc.

Example:
  larder account network add vpc-build 10.20.0.0/16`,
  );
  addAccountOptions(
    group.command('add <vpc-id> <cidr>').description('say that these addresses belong to a VPC'),
  ).action((vpcId: string, cidr: string, options: AccountOptions) =>
    withAccount(io, options, async ({ server, admin, account }) => {
      await server.putNetwork(admin, account, { vpcId, cidr });
      report(io, options.output, { VpcId: vpcId, CidrBlock: cidr }, `${cidr} is ${vpcId}`);
    }),
  );
  addAccountOptions(group.command('list').description('list the networks')).action((options: AccountOptions) =>
    withAccount(io, options, async ({ admin, account }) => {
      const networks = await admin.store.ram.listVpcNetworks(account.id);
      reportList(io, options.output, {
        name: 'Networks',
        items: networks.map(({ vpcId, cidr }) => ({ VpcId: vpcId, CidrBlock: cidr })),
        columns: { VPC: 'VpcId', ADDRESSES: 'CidrBlock' },
        empty: 'no networks; add one with: larder account network add VPC-ID CIDR',
      });
    }),
  );
  addAccountOptions(group.command('delete <cidr>').description('forget a network')).action(
    (cidr: string, options: AccountOptions) =>
      withAccount(io, options, async ({ admin, account }) => {
        if (!(await admin.store.ram.deleteVpcNetwork({ accountId: account.id, cidr }))) {
          throw new LarderError(
            'cli.no-network',
            `there is no network ${cidr}; larder account network list shows them`,
          );
        }
        report(io, options.output, { CidrBlock: cidr }, `${cidr} forgotten`);
      }),
  );
}
