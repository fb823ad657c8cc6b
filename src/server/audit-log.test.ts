import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SAMPLE_CALLS } from '../../test/conformance/sample-calls.ts';
import { type Service, startService } from '../../test/faults/support/service.ts';
import { ACCESS_KEY } from '../../test/support/larder-server.ts';
import { run } from '../cli/index.ts';
import { silentLogger } from '../lib/logger.ts';
import { type AuditLogOptions, appendAuditRecord, openAuditLog } from './audit-log.ts';
import { readAuditLog } from './audit-reader.ts';
import { type AuditRecord, parseAuditRecord } from './audit-record.ts';

const WAIT_MS = 10_000;
let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'larder-audit-'));
});
after(() => rm(home, { recursive: true }));

const recordOf = (action: string): AuditRecord => ({
  time: '2026-01-01T00:00:00.000Z',
  action,
  code: 'OK',
  peer: '::1',
  resources: [],
});

async function optionsFor(name: string, change: Partial<AuditLogOptions> = {}): Promise<AuditLogOptions> {
  await mkdir(join(home, name));
  return { path: join(home, name, 'audit.log'), maxFileBytes: 1 << 20, maxFiles: 3, log: silentLogger, ...change };
}

async function actions(path: string): Promise<string[]> {
  const records: string[] = [];
  for await (const record of readAuditLog(path, { follow: false, signal: new AbortController().signal }))
    records.push(record.action);
  return records;
}

async function recordsOf(service: Service): Promise<AuditRecord[]> {
  const lines = (await readFile(join(service.dataDirectory, 'audit.log'), 'utf8')).trim().split('\n');
  return lines.map((line) => parseAuditRecord(line) ?? assert.fail(line));
}

test('files turn over at their size, the newest are kept, and are read oldest first', async () => {
  const options = await optionsFor('rotate', { maxFileBytes: 300 });
  const log = await openAuditLog(options);
  for (let number = 0; number < 30; number++) await log.write(recordOf(`a${number}`));
  await log.close();
  assert.deepEqual((await readdir(join(home, 'rotate'))).toSorted(), [
    'audit.log',
    'audit.log.1',
    'audit.log.2',
    'audit.log.3',
  ]);
  const found = await actions(options.path);
  assert.deepEqual(found, Array.from({ length: 30 }, (_, number) => `a${number}`).slice(-found.length));
  for (const name of await readdir(join(home, 'rotate'))) {
    const { size, mode } = await stat(join(home, 'rotate', name));
    assert.ok(size <= 300);
    assert.equal(mode & 0o777, 0o600);
  }
});

test('half a line of a crash costs itself only; other processes append beside', async () => {
  const options = await optionsFor('crash');
  await writeFile(options.path, '{"time":"2026-01-01T00:00:00.000Z","act');
  const log = await openAuditLog(options);
  await Promise.all(['a', 'b', 'c'].map((action) => log.write(recordOf(action))));
  await appendAuditRecord(options.path, recordOf('beside'));
  await log.write(recordOf('d'));
  await log.close();
  assert.deepEqual(await actions(options.path), ['a', 'b', 'c', 'beside', 'd']);
});

test('lines that cannot be written are lost and told of once; when they can, it goes on', async () => {
  const errors: string[] = [];
  const log = { ...silentLogger, error: (_fields: object, message: string) => void errors.push(message) };
  const audit = await openAuditLog({ ...(await optionsFor('gone')), maxFileBytes: 1, log });
  await audit.write(recordOf('first'));
  await rm(join(home, 'gone'), { recursive: true });
  for (let times = 0; times < 3; times++) await audit.write(recordOf('lost'));
  assert.deepEqual(errors, ['cannot write the audit log']);
  await mkdir(join(home, 'gone'));
  await audit.write(recordOf('after'));
  assert.deepEqual(await actions(join(home, 'gone', 'audit.log')), ['after']);
  await audit.close();
});

test('following sees what comes, through a new file', async () => {
  const options = await optionsFor('follow', { maxFileBytes: 200 });
  const log = await openAuditLog(options);
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const { action } of readAuditLog(options.path, { follow: true, signal: stop.signal })) seen.push(action);
  })();
  for (const action of ['a', 'b', 'c', 'd', 'e']) {
    await log.write(recordOf(action));
    const deadlineMs = Date.now() + WAIT_MS;
    while (seen.at(-1) !== action && Date.now() < deadlineMs) await sleep(20);
  }
  assert.deepEqual(seen, ['a', 'b', 'c', 'd', 'e']);
  stop.abort();
  await following;
  await log.close();
});

test('a file that cannot be opened keeps the server from starting', async () => {
  await assert.rejects(openAuditLog({ ...(await optionsFor('none')), path: join(home, 'no', 'audit.log') }), {
    code: 'server.audit-log',
  });
});

test('every changing action leaves a line with who, what, from where and how it ended, and no secret', async () => {
  await using service = await startService({ limits: ['maxAttempts=1'] });
  const { client } = service;
  const credentials = {
    'ImageRegistryCredential.1.Server': 'registry.test',
    'ImageRegistryCredential.1.UserName': 'robot',
    'ImageRegistryCredential.1.Password': 'hunter2-of-the-registry',
  };
  const image = '127.0.0.1:1/team/app:1';
  const id = await service.create(image, credentials);
  await service.settled(id);
  const refused = (action: string, params: Record<string, string>) =>
    client.call(action, params).then(
      () => assert.fail(`${action} was not refused`),
      () => undefined,
    );
  await client.call('DescribeImageCaches');
  const tagged = { ResourceType: 'ImageCache', 'ResourceId.1': id, 'Tag.1.Key': 'a', 'Tag.1.Value': 'b' };
  await client.call('TagResources', tagged);
  await client.call('UntagResources', { ResourceType: 'ImageCache', 'ResourceId.1': id, 'TagKey.1': 'a' });
  await refused('UpdateImageCache', { ImageCacheId: id, 'Image.1': image, ...credentials });
  await client.call('DeleteImageCache', { ImageCacheId: id });
  await refused('DeleteImageCache', { ImageCacheId: id });
  await refused('CreateImageCache', { ImageCacheName: 'x'.repeat(500), 'Image.1': image, ...credentials });
  await refused('UpdateImageCache', { ImageCacheId: 'y'.repeat(10_000), ...credentials });

  const records = await recordsOf(service);
  const told = records.map(({ action, resources, code }) => [action, code, resources.includes(id)]);
  assert.deepEqual(told.slice(0, 6), [
    ['CreateImageCache', 'OK', true],
    ['TagResources', 'OK', true],
    ['UntagResources', 'OK', true],
    ['UpdateImageCache', 'ImageCache.IncorrectStatus', true],
    ['DeleteImageCache', 'OK', true],
    ['DeleteImageCache', 'InvalidParameter.NotFound', true],
  ]);
  assert.equal(records.length, 8);
  for (const record of records) {
    assert.deepEqual(
      [record.accessKeyId, record.peer, record.principal?.type],
      [ACCESS_KEY.accessKeyId, '127.0.0.1', 'Account'],
    );
    assert.match(record.requestId ?? '', /^[0-9A-F-]{36}$/);
    assert.ok(Math.abs(Date.parse(record.time) - Date.now()) < 60_000);
    assert.ok(JSON.stringify(record).length < 2000);
  }
  const file = await readFile(join(service.dataDirectory, 'audit.log'), 'utf8');
  for (const secret of ['hunter2', ACCESS_KEY.accessKeySecret, 'Signature', 'robot'])
    assert.ok(!file.includes(secret), secret);
  const changing = Object.keys(SAMPLE_CALLS).filter((action) => !/^(Describe|List)/.test(action));
  const seen = new Set(records.map(({ action }) => action));
  assert.deepEqual(
    changing.filter((action) => !seen.has(action)),
    [],
    'actions without a line',
  );
});

test('changes by larder account are there, and larder audit shows all', async () => {
  await using service = await startService();
  const larder = async (...argv: string[]) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const env = { LARDER_PROFILE: join(home, 'none.json'), LARDER_DATA: service.dataDirectory, SUDO_USER: 'ada' };
    const code = await run(argv, {
      stdin: Readable.from([]),
      stdout,
      stderr,
      env,
      signal: new AbortController().signal,
    });
    for (const stream of [stdout, stderr]) stream.end();
    assert.equal(code, 0, await text(stderr));
    return text(stdout);
  };
  const { AccessKeySecret } = JSON.parse(await larder('account', 'create', 'team-a', '-o', 'json'));
  await larder('account', 'user', 'create', 'ci', '--account', 'team-a');
  await larder('account', 'user', 'list', '--account', 'team-a');
  const key = JSON.parse(await larder('account', 'key', 'create', '--user', 'ci', '--account', 'team-a', '-o', 'json'));
  await larder('account', 'key', 'disable', key.AccessKeyId, '--account', 'team-a');
  await service.create('127.0.0.1:1/a:1');
  await appendFile(
    join(service.dataDirectory, 'audit.log'),
    '{"time":"2001-01-01T00:00:00Z","action":"\\u001b[31m","code":"OK","peer":"","resources":[]}\n',
  );
  const shown = await larder('audit', '--since', '1h');
  assert.match(shown, /operator \S+ for ada {2}account create team-a {2}from local {2}OK\n/);
  assert.match(shown, new RegExp(`account key disable ${key.AccessKeyId} account=team-a`));
  assert.match(shown, /CreateImageCache imc-\w+ eci-\w+ {2}from 127\.0\.0\.1 {2}OK\n/);
  assert.equal(shown.trim().split('\n').length, 5);
  assert.doesNotMatch(await larder('audit'), /\p{Cc}(?<!\n)/u);
  const all = await larder('audit', '--output', 'json');
  for (const secret of [AccessKeySecret, key.AccessKeySecret]) assert.ok(!all.includes(secret));
});

test('off is off', async () => {
  await using service = await startService({ env: { LARDER_AUDIT_LOG: 'off' } });
  await service.create('127.0.0.1:1/a:1');
  assert.ok(!(await readdir(service.dataDirectory)).includes('audit.log'));
});
