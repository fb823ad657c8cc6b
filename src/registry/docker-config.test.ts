import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { createCredentialLookup, credentialsFromList, registryOfKey } from './credentials.ts';
import { createDockerConfigLookup, parseDockerConfig, runCredentialHelper } from './docker-config.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'larder-docker-config-'));
});
after(() => rm(dir, { recursive: true, force: true }));

async function lookupIn(config: object, helper?: (name: string, server: string) => Promise<undefined>) {
  const path = join(dir, 'config.json');
  await writeFile(path, JSON.stringify(config));
  return createDockerConfigLookup({ path, ...(helper ? { helper } : {}) });
}

test('the forms of auths', async () => {
  const lookup = await lookupIn({
    auths: {
      'https://index.docker.io/v1/': { auth: base64('hub:a:b') },
      'Host:5000': { username: 'plain', password: 'text' },
      'https://acr.example.com/v2/': { auth: base64('x:y'), identitytoken: 'refresh' },
      'quay.io/team': { auth: base64('team:only') },
      'empty.io': {},
    },
    HttpHeaders: {},
  });
  assert.deepEqual(await lookup('docker.io'), { username: 'hub', password: 'a:b' });
  assert.deepEqual(await lookup('host:5000'), { username: 'plain', password: 'text' });
  assert.deepEqual(await lookup('acr.example.com'), { identityToken: 'refresh' });
  for (const none of ['quay.io', 'empty.io', 'host', 'other.io']) assert.equal(await lookup(none), undefined);
});

test('helpers go before the file, the one for the host before the general one', async () => {
  const asked: string[] = [];
  const lookup = await lookupIn(
    { auths: { 'a.io': { auth: base64('file:f') } }, credHelpers: { 'b.io': 'own' }, credsStore: 'store' },
    (name, server) => {
      asked.push(`${name} ${server}`);
      return Promise.resolve(undefined);
    },
  );
  assert.deepEqual(await lookup('a.io'), { username: 'file', password: 'f' });
  assert.equal(await lookup('b.io'), undefined);
  assert.equal(await lookup('docker.io'), undefined);
  assert.deepEqual(asked, ['store a.io', 'own b.io', 'store https://index.docker.io/v1/']);
});

test('no file is an empty config, a broken one an error that does not quote it', async () => {
  assert.equal(await createDockerConfigLookup({ path: join(dir, 'none.json') })('a.io'), undefined);
  for (const text of ['{"auths":{"a":{"auth":"c2VjcmV0', '{"auths":{"a":{"password":["secret"]}}}']) {
    assert.throws(
      () => parseDockerConfig(text),
      (error: Error) =>
        /config\.json/.test(error.message) && !/secret|c2Vj/.test(`${error.message}${String(error.cause)}`),
    );
  }
});

test('a real helper: found, unknown, broken, absent', async () => {
  const script = `#!/bin/sh
read -r server
case "$server" in
  a.io) printf '{"ServerURL":"a.io","Username":"u","Secret":"p"}' ;;
  t.io) printf '{"Username":"<token>","Secret":"refresh"}' ;;
  j.io) printf 'junk' ;;
  b.io) echo 'keychain locked'; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`;
  const path = join(dir, 'docker-credential-test');
  await writeFile(path, script);
  await chmod(path, 0o755);
  const oldPath = process.env.PATH;
  process.env.PATH = `${dir}${delimiter}${oldPath}`;
  try {
    assert.deepEqual(await runCredentialHelper('test', 'a.io'), { username: 'u', password: 'p' });
    assert.deepEqual(await runCredentialHelper('test', 't.io'), { identityToken: 'refresh' });
    assert.equal(await runCredentialHelper('test', 'none.io'), undefined);
    const failed = { code: 'registry.credential-helper-failed' };
    await assert.rejects(runCredentialHelper('test', 'j.io'), failed);
    await assert.rejects(runCredentialHelper('test', 'b.io'), failed);
    await assert.rejects(runCredentialHelper('absent', 'a.io'), failed);
    await assert.rejects(runCredentialHelper('../evil', 'a.io'), failed);
  } finally {
    process.env.PATH = oldPath;
  }
});

test("the caller's credentials go first, under any of Docker Hub's names", async () => {
  const list = credentialsFromList([
    { server: 'index.docker.io', username: 'caller', password: '1' },
    { server: 'R.io:5000', username: 'r', password: '2' },
  ]);
  const lookup = createCredentialLookup([list, () => Promise.resolve({ username: 'docker', password: '3' })]);
  assert.deepEqual(await lookup('docker.io'), { username: 'caller', password: '1' });
  assert.deepEqual(await lookup('r.io:5000'), { username: 'r', password: '2' });
  assert.deepEqual(await lookup('other.io'), { username: 'docker', password: '3' });
  assert.equal(registryOfKey('https://'), undefined);
});
