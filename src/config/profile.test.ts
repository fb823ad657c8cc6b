import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveClientSettings } from './client-settings.ts';
import { DEFAULT_REGION_ID } from './constants.ts';
import { defaultDataDirectory, profilePath } from './paths.ts';
import { type Profile, readProfile, writeProfile } from './profile.ts';

const PROFILE: Profile = {
  endpoint: 'http://127.0.0.1:4620',
  regionId: 'eu-1',
  accessKeyId: 'profile-id',
  accessKeySecret: 'profile-secret',
  dataDirectory: '/var/lib/larder',
};
const withProfile = () => Promise.resolve(PROFILE);
const withoutProfile = () => Promise.resolve(undefined);

test('a profile comes back as written, readable by its owner alone, and leaves no other file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'larder-profile-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'config', 'profile.json');
  assert.equal(await readProfile(path), undefined);
  await writeProfile(path, { ...PROFILE, regionId: 'old' });
  await writeProfile(path, PROFILE);
  assert.deepEqual(await readProfile(path), PROFILE);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(join(folder, 'config')), ['profile.json']);

  await writeFile(path, '{"endpoint":""');
  await assert.rejects(readProfile(path), { code: 'config.profile-invalid' });
});

test('LARDER_* wins over ALIBABA_CLOUD_*, which wins over the profile', async () => {
  const vendor = {
    ALIBABA_CLOUD_ENDPOINT: 'vendor:1',
    ALIBABA_CLOUD_REGION_ID: 'vendor-region',
    ALIBABA_CLOUD_ACCESS_KEY_ID: 'vendor-id',
    ALIBABA_CLOUD_ACCESS_KEY_SECRET: 'vendor-secret',
    ALIBABA_CLOUD_SECURITY_TOKEN: 'token',
  };
  const larder = {
    LARDER_ENDPOINT: 'http://larder:2',
    LARDER_REGION: 'larder-region',
    LARDER_ACCESS_KEY_ID: 'larder-id',
    LARDER_ACCESS_KEY_SECRET: 'larder-secret',
  };
  assert.deepEqual(await resolveClientSettings({ ...vendor, ...larder }, withProfile), {
    endpoint: 'http://larder:2',
    regionId: 'larder-region',
    accessKeyId: 'larder-id',
    accessKeySecret: 'larder-secret',
  });
  assert.deepEqual(await resolveClientSettings(vendor, withProfile), {
    endpoint: 'vendor:1',
    regionId: 'vendor-region',
    accessKeyId: 'vendor-id',
    accessKeySecret: 'vendor-secret',
    securityToken: 'token',
  });
  const { dataDirectory: _, ...settings } = PROFILE;
  assert.deepEqual(await resolveClientSettings({}, withProfile), settings);
});

test('the region has a default; half a key pair and no server at all are explained', async () => {
  const { endpoint, accessKeyId, accessKeySecret } = PROFILE;
  const env = {
    LARDER_ENDPOINT: endpoint,
    LARDER_ACCESS_KEY_ID: accessKeyId,
    LARDER_ACCESS_KEY_SECRET: accessKeySecret,
  };
  assert.equal((await resolveClientSettings(env, withoutProfile)).regionId, DEFAULT_REGION_ID);
  await assert.rejects(resolveClientSettings({ LARDER_ACCESS_KEY_ID: 'x' }, withProfile), {
    code: 'config.client-incomplete',
    message: /^LARDER_ACCESS_KEY_SECRET is missing/,
  });
  await assert.rejects(
    resolveClientSettings({}, withoutProfile),
    /LARDER_ENDPOINT and LARDER_ACCESS_KEY_ID.*larder serve/,
  );
});

test('paths: the environment wins', () => {
  assert.equal(defaultDataDirectory({ LARDER_DATA: '/srv/larder' }), '/srv/larder');
  assert.match(defaultDataDirectory({}), /larder$/);
  assert.equal(profilePath({ LARDER_PROFILE: '/srv/p.json' }), '/srv/p.json');
  assert.match(profilePath({}), /profile\.json$/);
});
