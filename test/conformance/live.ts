import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { MIN_TOKEN_SECONDS } from '../../src/accounts/index.ts';
import { loadServerConfig } from '../../src/config/index.ts';
import {
  type Admin,
  attachPolicy,
  createAccessKey,
  createAccount,
  createIdentity,
  findAccount,
  findIdentity,
  issueToken,
  openAdmin,
  startServer,
} from '../../src/server/index.ts';
import { buildImage } from '../support/registry-image.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import { Client, type Key } from './client.ts';

/** An instance of the vendor's registry that the configuration of the server knows. */
export const ACR_INSTANCE = 'cri-conformance1';

/** Limits of the server that rows can run into. */
export const WRITE_BURST = 300;
export const MAX_BAD_SIGNATURES = 20;

const HOUR_MS = 60 * 60_000;
const DATABASE_TIMEOUT_MS = 10_000;

/** A live server, and what the rows need around it. */
export type Live = {
  readonly endpoint: string;
  readonly regionId: string;
  /** What an operator does, beside the running server. */
  readonly admin: Admin;
  /** References that build, each to Ready, and one that the registry has not. */
  readonly image: string;
  readonly otherImage: string;
  readonly missingImage: string;
  /** Builds with the login that the configuration has for ACR_INSTANCE. */
  readonly acrImage: string;
  /** Authorization headers that came to the registry with the login of ACR_INSTANCE's domain. */
  readonly logins: () => readonly string[];
  /** What the server logged, one line each. */
  readonly log: () => readonly string[];
  /** A client of a new account, with nothing in it. */
  newClient(): Promise<Client>;
  /** A RAM user of the client's account, who may do nothing. */
  newUser(client: Client, name: string): Promise<Client>;
  /** A temporary key of the client's account, or one whose time is over. */
  newTemporaryKey(client: Client, options?: { isOver?: boolean }): Promise<Required<Key>>;
  /** Makes the call with this ClientToken one that still runs, until the returned function is called. */
  holdToken(client: Client, token: string): () => void;
  /** Takes the catalog away from under the server, for good: every call that reads it fails inside the server. */
  breakCatalog(): void;
  /** Lets a RAM user of the client's account do everything. */
  allowAll(client: Client, userName: string): Promise<void>;
};

export async function startLive(): Promise<Live & { stop(): Promise<void> }> {
  const home = await mkdtemp(join(tmpdir(), 'larder-conformance-'));
  const registry = await startScriptedRegistry();
  const [image = '', otherImage = ''] = ['1', '2'].map((tag) => {
    const entries = [
      { name: './', type: 'directory' },
      { name: 'version', type: 'file', content: Buffer.from(tag) },
    ] as const;
    registry.putImage('team/app', buildImage({ layers: [Buffer.concat([...writeTar(entries)])] }), tag);
    return `${registry.host}/team/app:${tag}`;
  });
  const privateTar = Buffer.concat([...writeTar([{ name: 'private', type: 'file', content: Buffer.from('acr') }])]);
  registry.putImage('acr/app', buildImage({ layers: [privateTar] }), '1');
  const authorization = `Basic ${Buffer.from('acr:secret').toString('base64')}`;
  registry.script('acr/app', () => ({ requireAuthorization: { challenge: 'Basic realm="acr"', authorization } }));
  const instances = join(home, 'acr.json');
  await writeFile(
    instances,
    JSON.stringify({ [ACR_INSTANCE]: { domains: [registry.host], username: 'acr', password: 'secret' } }),
  );
  const lines: string[] = [];
  const config = loadServerConfig(
    {
      LARDER_PLAIN_HTTP_REGISTRIES: registry.host,
      LARDER_ACR_INSTANCES: instances,
      LARDER_LIMITS: `writesPerSecond=1,writeBurst=${WRITE_BURST},maxBadSignatures=${MAX_BAD_SIGNATURES}`,
      PATH: process.env.PATH,
    },
    { dataDirectory: join(home, 'data'), defaultRegionId: 'cn-hangzhou', listen: '127.0.0.1:0' },
  );
  const server = await startServer(config, {
    log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
  });
  const admin = await openAdmin(config.dataDirectory);
  const database = new DatabaseSync(join(config.dataDirectory, 'larder.db'), { timeout: DATABASE_TIMEOUT_MS });
  const endpoint = new URL(server.endpoint).host;
  let accounts = 0;
  return {
    endpoint,
    regionId: server.regionId,
    admin,
    image,
    otherImage,
    missingImage: `${registry.host}/team/missing:1`,
    acrImage: `${registry.host}/acr/app:1`,
    logins: () => registry.requests.flatMap(({ headers }) => headers.authorization ?? []),
    log: () => lines,
    async newClient() {
      const { account, key } = await createAccount(admin, {
        name: `row-${++accounts}-${randomBytes(4).toString('hex')}`,
      });
      return new Client({ endpoint, accountId: account.id, key, image });
    },
    async newUser(client, name) {
      const account = await findAccount(admin, client.accountId);
      const user = await createIdentity(admin, account, { type: 'user', name });
      return client.withKey(await createAccessKey(admin, { account, user }));
    },
    async newTemporaryKey(client, { isOver = false } = {}) {
      const clock = isOver ? { now: () => admin.clock.now() - HOUR_MS } : admin.clock;
      const request = { account: await findAccount(admin, client.accountId), durationSeconds: MIN_TOKEN_SECONDS };
      const issued = await issueToken({ ...admin, clock }, request);
      return { id: issued.id, secret: issued.secret, token: issued.securityToken };
    },
    holdToken(client, token) {
      const where = 'WHERE account_id = ? AND token = ?';
      const row = database.prepare(`SELECT result FROM client_tokens ${where}`).get(client.accountId, token);
      const lease = Date.now() + HOUR_MS;
      const set = database.prepare(`UPDATE client_tokens SET result = ?, lease_until_ms = ? ${where}`);
      set.run(null, lease, client.accountId, token);
      return () => void set.run(row?.result ?? null, lease, client.accountId, token);
    },
    breakCatalog: () => database.exec('ALTER TABLE image_caches RENAME TO lost'),
    async allowAll(client, userName) {
      const account = await findAccount(admin, client.accountId);
      const user = await findIdentity(admin, account, { type: 'user', name: userName });
      await attachPolicy(admin, account, { identityId: user.id, policyName: 'AliyunECIFullAccess' });
    },
    async stop() {
      database.close();
      await admin.close();
      await server.stop();
      await registry[Symbol.asyncDispose]();
      await rm(home, { recursive: true });
    },
  };
}
