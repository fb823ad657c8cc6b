import type { Kysely } from 'kysely';
import type { PolicyAttachment, RamIdentity, RamStore } from './account-ports.ts';
import type { AccountVersion } from './account-version.ts';
import { groupStore } from './accounts-groups.ts';
import type { Schema } from './schema.ts';

export function createRamStore(db: Kysely<Schema>, version: AccountVersion): RamStore {
  return {
    async createIdentity({ id, accountId, type, name, createdAtMs }) {
      const row = { id, account_id: accountId, type, name, created_at_ms: createdAtMs };
      await version.change((trx) => trx.insertInto('ram_identities').values(row).execute());
    },

    async getIdentity(id) {
      const row = await db.selectFrom('ram_identities').selectAll().where('id', '=', id).executeTakeFirst();
      return row && identityOf(row);
    },

    async listIdentities(accountId) {
      const rows = await db
        .selectFrom('ram_identities')
        .selectAll()
        .where('account_id', '=', accountId)
        .orderBy('type')
        .orderBy('name')
        .execute();
      return rows.map(identityOf);
    },

    async deleteIdentity({ accountId, id }) {
      return version.change(async (trx) => {
        const result = await trx
          .deleteFrom('ram_identities')
          .where('account_id', '=', accountId)
          .where('id', '=', id)
          .executeTakeFirst();
        return result.numDeletedRows === 1n;
      });
    },

    async putPolicy({ accountId, name, document, changedAtMs }) {
      const change = { document, changed_at_ms: changedAtMs };
      await version.change((trx) =>
        trx
          .insertInto('ram_policies')
          .values({ account_id: accountId, name, ...change })
          .onConflict((conflict) => conflict.columns(['account_id', 'name']).doUpdateSet(change))
          .execute(),
      );
    },

    async listPolicies(accountId) {
      const rows = await db
        .selectFrom('ram_policies')
        .selectAll()
        .where('account_id', '=', accountId)
        .orderBy('name')
        .execute();
      return rows.map((row) => ({
        accountId,
        name: row.name,
        document: row.document,
        changedAtMs: row.changed_at_ms,
      }));
    },

    async deletePolicy({ accountId, name }) {
      return version.change(async (trx) => {
        const attached = await attachmentsOf(trx, accountId).where('policy_name', '=', name).executeTakeFirst();
        if (attached) return 'attached';
        const result = await trx
          .deleteFrom('ram_policies')
          .where('account_id', '=', accountId)
          .where('name', '=', name)
          .executeTakeFirst();
        return result.numDeletedRows === 1n ? 'deleted' : 'missing';
      });
    },

    async attachPolicy(attachment) {
      const row = rowOfAttachment(attachment);
      await version.change((trx) =>
        trx
          .insertInto('policy_attachments')
          .values(row)
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      );
    },

    async detachPolicy(attachment) {
      const row = rowOfAttachment(attachment);
      return version.change(async (trx) => {
        const result = await trx
          .deleteFrom('policy_attachments')
          .where('identity_id', '=', row.identity_id)
          .where('policy_name', '=', row.policy_name)
          .where('resource_group_id', '=', row.resource_group_id)
          .executeTakeFirst();
        return result.numDeletedRows === 1n;
      });
    },

    async listAttachments(accountId) {
      const rows = await attachmentsOf(db, accountId)
        .orderBy('identity_id')
        .orderBy('policy_name')
        .orderBy('resource_group_id')
        .execute();
      return rows.map(attachmentOf);
    },

    async attachedPolicies({ accountId, id }) {
      const rows = await db
        .selectFrom('policy_attachments')
        .leftJoin('ram_policies', (join) =>
          join.onRef('ram_policies.name', '=', 'policy_attachments.policy_name').on('account_id', '=', accountId),
        )
        .select(['identity_id', 'policy_name', 'resource_group_id', 'document'])
        .where('identity_id', '=', id)
        .orderBy('policy_name')
        .orderBy('resource_group_id')
        .execute();
      return rows.map(({ document, ...row }) => ({ ...attachmentOf(row), ...(document === null ? {} : { document }) }));
    },

    ...groupStore(db, version),
  };
}

function attachmentsOf(db: Kysely<Schema>, accountId: string) {
  return db
    .selectFrom('policy_attachments')
    .innerJoin('ram_identities', 'ram_identities.id', 'policy_attachments.identity_id')
    .select(['identity_id', 'policy_name', 'resource_group_id'])
    .where('account_id', '=', accountId);
}

function identityOf(row: Schema['ram_identities']): RamIdentity {
  const { id, type, name } = row;
  return { id, accountId: row.account_id, type, name, createdAtMs: row.created_at_ms };
}

function rowOfAttachment(attachment: PolicyAttachment): Schema['policy_attachments'] {
  return {
    identity_id: attachment.identityId,
    policy_name: attachment.policyName,
    resource_group_id: attachment.resourceGroupId ?? '',
  };
}

function attachmentOf(row: Schema['policy_attachments']): PolicyAttachment {
  return {
    identityId: row.identity_id,
    policyName: row.policy_name,
    ...(row.resource_group_id === '' ? {} : { resourceGroupId: row.resource_group_id }),
  };
}
