import assert from 'node:assert/strict';
import { buildImage } from '../../support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../../support/scripted-registry.ts';
import { writeTar } from '../../support/tar-writer.ts';
import type { Client, Params } from '../client.ts';
import { ACR_INSTANCE } from '../live.ts';
import { type Row, rowsOf } from '../row.ts';

const create = rowsOf('CreateImageCache');
const update = rowsOf('UpdateImageCache');

const LOGIN = { UserName: 'team', Password: 'hunter2:ä' } as const;
const NO_LOGIN = /asks for a login/;

/** `host:port` of a registry of a row's own, and a reference of the one image in it. */
type OwnRegistry = AsyncDisposable & { readonly host: string; readonly image: string };

function basic(login: { UserName: string; Password: string }): string {
  return `Basic ${Buffer.from(`${login.UserName}:${login.Password}`).toString('base64')}`;
}

function putImage(registry: ScriptedRegistry): void {
  const file = { name: 'file', type: 'file', content: Buffer.from(registry.host) } as const;
  registry.putImage('team/own', buildImage({ layers: [Buffer.concat([...writeTar([file])])] }), '1');
}

/** A registry that lets nobody pull without LOGIN. */
async function startPrivate(): Promise<OwnRegistry> {
  const registry = await startScriptedRegistry();
  putImage(registry);
  registry.script('team/own', () => ({
    requireAuthorization: { challenge: 'Basic realm="own"', authorization: basic(LOGIN) },
  }));
  const { host } = registry;
  return { host, image: `${host}/team/own:1`, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() };
}

/** 0.0.0.0 leads to this machine, but does not count as it, so nothing is tolerated that isn't on a list. */
async function startStranger(tls: boolean): Promise<OwnRegistry> {
  const registry = await startScriptedRegistry({ tls });
  putImage(registry);
  const host = `0.0.0.0:${registry.port}`;
  return { host, image: `${host}/team/own:1`, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() };
}

/** The state that a new cache ends in, and what its warnings say. */
async function end(client: Client, params: Params): Promise<{ status: string; warnings: string }> {
  return outcome(await client.cache(await client.create(params)));
}

async function endOfUpdate(client: Client, params: Params & { ImageCacheId: string }) {
  await client.ok('UpdateImageCache', params);
  return outcome(await client.settled(params.ImageCacheId));
}

function outcome(cache: { Status: string; Events: { Type: string; Message: string }[] }) {
  const warnings = cache.Events.filter(({ Type }) => Type === 'Warning').map(({ Message }) => Message);
  return { status: cache.Status, warnings: warnings.join('\n') };
}

/** Logins and lists of registries, with registries that insist on them. */
export const registries: readonly Row[] = [
  ...(['Server', 'UserName', 'Password'] as const).map((name) =>
    create('parameter', `ImageRegistryCredential.${name}`, 'is what the registry gets when it asks', async (live) => {
      await using own = await startPrivate();
      const client = await live.newClient();
      const right = { Server: own.host, ...LOGIN };
      const other = { ...right, Server: 'registry.example.com', Password: 'of another registry' };
      const Image = [own.image];
      const good = await end(client, { Image, ImageRegistryCredential: [other, right] });
      assert.deepEqual(good, { status: 'Ready', warnings: '' });
      const bad = await end(client, { Image, ImageRegistryCredential: [{ ...right, [name]: 'wrong.example.com' }] });
      assert.equal(bad.status, 'Failed');
      assert.match(bad.warnings, NO_LOGIN);
      const incomplete = await end(client, { Image, ImageRegistryCredential: [{ ...right, [name]: undefined }] });
      assert.equal(incomplete.status, 'Failed');
      assert.match(incomplete.warnings, NO_LOGIN);
      assert.doesNotMatch(live.log().join('\n') + bad.warnings, /hunter2/, 'the password is nowhere to be read');
    }),
  ),
  create('parameter', 'AcrRegistryInfo.InstanceId', 'stands for the login that the configuration has', async (live) => {
    const client = await live.newClient();
    const Image = [live.acrImage];
    const without = await end(client, { Image });
    assert.equal(without.status, 'Failed');
    assert.match(without.warnings, NO_LOGIN);
    const good = await end(client, { Image, AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE }] });
    assert.deepEqual(good, { status: 'Ready', warnings: '' });
    assert.ok(live.logins().includes(basic({ UserName: 'acr', Password: 'secret' })));
  }),
  create('parameter', 'AcrRegistryInfo.InstanceId', 'a login of the caller’s own goes before it', async (live) => {
    const client = await live.newClient();
    const [Server = ''] = live.acrImage.split('/');
    const params = { Image: [live.acrImage], AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE }] };
    const { status } = await end(client, { ...params, ImageRegistryCredential: [{ Server, ...LOGIN }] });
    assert.equal(status, 'Failed', 'the registry does not know that login');
    assert.ok(live.logins().includes(basic(LOGIN)));
    const incomplete = { ...params, ImageRegistryCredential: [{ Server, UserName: LOGIN.UserName }] };
    assert.equal((await end(client, incomplete)).status, 'Ready', 'one without a password does not');
  }),
  create('parameter', 'PlainHttpRegistry', 'without it a registry must speak TLS', async (live) => {
    await using own = await startStranger(false);
    const client = await live.newClient();
    const Image = [own.image];
    const without = await end(client, { Image });
    assert.equal(without.status, 'Failed');
    assert.match(without.warnings, /does not speak TLS/);
    for (const PlainHttpRegistry of [own.host, `"other:5000, ${own.host}"`, `http://${own.host}`]) {
      assert.equal((await end(client, { Image, PlainHttpRegistry })).status, 'Ready', PlainHttpRegistry);
    }
  }),
  create('parameter', 'InsecureRegistry', 'without it a certificate must be one to trust', async (live) => {
    await using own = await startStranger(true);
    const client = await live.newClient();
    const Image = [own.image];
    const without = await end(client, { Image });
    assert.equal(without.status, 'Failed');
    assert.match(without.warnings, /certificate of .* is not trusted/);
    for (const InsecureRegistry of [own.host, `"other:5000, ${own.host}"`, `https://${own.host}`]) {
      assert.equal((await end(client, { Image, InsecureRegistry })).status, 'Ready', InsecureRegistry);
    }
  }),
  update('parameter', 'Image', 'the lists of registries of the creation still hold', async (live) => {
    await using own = await startStranger(false);
    const client = await live.newClient();
    const ImageCacheId = await client.create({ PlainHttpRegistry: own.host });
    assert.equal((await endOfUpdate(client, { ImageCacheId, Image: [own.image] })).status, 'Ready');
  }),
  update('parameter', 'ImageRegistryCredential.Password', 'is sent again for each pull: none is kept', async (live) => {
    await using own = await startPrivate();
    const client = await live.newClient();
    const login = { Image: [own.image], ImageRegistryCredential: [{ Server: own.host, ...LOGIN }] };
    const ImageCacheId = await client.create(login);
    const without = await endOfUpdate(client, { ImageCacheId, Image: [own.image] });
    assert.equal(without.status, 'UpdateFailed');
    assert.match(without.warnings, NO_LOGIN);
    assert.equal((await endOfUpdate(client, { ImageCacheId, ...login })).status, 'Ready');
  }),
  update('parameter', 'AcrRegistryInfo.InstanceId', 'stands for the login that the configuration has', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), Image: [live.acrImage] };
    assert.equal((await endOfUpdate(client, params)).status, 'UpdateFailed');
    const AcrRegistryInfo = [{ InstanceId: ACR_INSTANCE }];
    assert.equal((await endOfUpdate(client, { ...params, AcrRegistryInfo })).status, 'Ready');
  }),
];
