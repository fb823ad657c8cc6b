import type { Kysely } from 'kysely';
import type { RamStore } from './account-ports.ts';
import type { AccountVersion } from './account-version.ts';
import type { Schema } from './schema.ts';

type GroupStore = Pick<
  RamStore,
  | 'createResourceGroup'
  | 'listResourceGroups'
  | 'deleteResourceGroup'
  | 'putVpcNetwork'
  | 'listVpcNetworks'
  | 'deleteVpcNetwork'
>;

/** The part of the RAM store about resource groups and networks. */
export function groupStore(db: Kysely<Schema>, version: AccountVersion): GroupStore {
  return {
    async createResourceGroup({ id, accountId, name, createdAtMs }) {
      const row = { id, account_id: accountId, name, created_at_ms: createdAtMs };
      await version.change((trx) => trx.insertInto('resource_groups').values(row).execute());
    },

    async listResourceGroups(accountId) {
      const rows = await db
        .selectFrom('resource_groups')
        .selectAll()
        .where('account_id', '=', accountId)
        .orderBy('name')
        .execute();
      return rows.map(({ id, name, created_at_ms: createdAtMs }) => ({ id, accountId, name, createdAtMs }));
    },

    async deleteResourceGroup({ accountId, id }) {
      return version.change(async (trx) => {
        const found = await trx
          .selectFrom('resource_groups')
          .select('id')
          .where('account_id', '=', accountId)
          .where('id', '=', id)
          .executeTakeFirst();
        if (!found) return 'missing';
        if (await isUsed(trx, accountId, id)) return 'used';
        await trx.deleteFrom('resource_groups').where('id', '=', id).execute();
        return 'deleted';
      });
    },

    async putVpcNetwork({ accountId, cidr, vpcId }) {
      await version.change((trx) =>
        trx
          .insertInto('vpc_networks')
          .values({ account_id: accountId, cidr, vpc_id: vpcId })
          .onConflict((conflict) => conflict.columns(['account_id', 'cidr']).doUpdateSet({ vpc_id: vpcId }))
          .execute(),
      );
    },

    async listVpcNetworks(accountId) {
      const rows = await db
        .selectFrom('vpc_networks')
        .selectAll()
        .where('account_id', '=', accountId)
        .orderBy('cidr')
        .execute();
      return rows.map(({ cidr, vpc_id: vpcId }) => ({ accountId, cidr, vpcId }));
    },

    async deleteVpcNetwork({ accountId, cidr }) {
      return version.change(async (trx) => {
        const result = await trx
          .deleteFrom('vpc_networks')
          .where('account_id', '=', accountId)
          .where('cidr', '=', cidr)
          .executeTakeFirst();
        return result.numDeletedRows === 1n;
      });
    },
  };
}

async function isUsed(trx: Kysely<Schema>, accountId: string, id: string): Promise<boolean> {
  const attached = await trx
    .selectFrom('policy_attachments')
    .select('policy_name')
    .where('resource_group_id', '=', id)
    .executeTakeFirst();
  if (attached) return true;
  // Reads the account's caches; an operator deletes a group once in a while.
  const cache = await trx
    .selectFrom('image_caches')
    .select('id')
    .where('account_id', '=', accountId)
    .where('resource_group_id', '=', id)
    .limit(1)
    .executeTakeFirst();
  return cache !== undefined;
}
