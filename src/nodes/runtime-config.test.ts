import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveUser } from './container-user.ts';
import { parseRunConfig } from './image-run-config.ts';
import { type RuntimeChoices, toRuntimeConfig } from './runtime-config.ts';

const FILES = {
  passwd: '# comment\nroot:x:0:0:root:/root:/bin/sh\napp:x:1234:50::/:/bin/sh\n77:x:5:6::/:/bin/sh\nbroken\n',
  group: 'root:x:0:\nstaff:x:50:app,root\nextra:x:70:other,app\nextra2:x:70:app\n',
};
const ROOT: RuntimeChoices = {
  user: { uid: 0, gid: 0, additionalGids: [] },
  readOnly: false,
  terminal: false,
  hostNetwork: false,
  hostname: 'h',
};
const convert = (config: unknown, choices: Partial<RuntimeChoices> = {}) =>
  toRuntimeConfig(parseRunConfig(JSON.stringify({ os: 'linux', architecture: 'amd64', config })), {
    ...ROOT,
    ...choices,
  });

for (const [user, uid, gid, additionalGids] of [
  ['', 0, 0, [50]],
  ['root', 0, 0, [50]],
  ['app', 1234, 50, [50, 70]],
  ['1234', 1234, 50, [50, 70]],
  ['app:extra', 1234, 70, []],
  ['app:9', 1234, 9, []],
  ['4321', 4321, 0, []],
  ['4321:extra', 4321, 70, []],
  ['4321:9', 4321, 9, []],
  [':extra', 0, 70, []],
  ['77', 5, 6, []],
] as const) {
  test(`user ${JSON.stringify(user)}`, () => {
    assert.deepEqual(resolveUser(user, FILES), { uid, gid, additionalGids });
  });
}

test('users and groups that the image does not have are refused; numbers do without files', () => {
  for (const user of ['nobody', 'app:nobody', '-1', '4294967296', '1 ']) {
    assert.throws(() => resolveUser(user, FILES), { code: 'nodes.user-missing' });
  }
  const none = { passwd: '', group: '' };
  assert.deepEqual(resolveUser('', none), { uid: 0, gid: 0, additionalGids: [] });
  assert.deepEqual(resolveUser('10:20', none), { uid: 10, gid: 20, additionalGids: [] });
});

test('the command is Entrypoint and Cmd, or what the caller says', () => {
  const image = { Entrypoint: ['/e', '-e'], Cmd: ['c'] };
  const argsOf = (choices: Partial<RuntimeChoices>) => convert(image, choices).process.args;
  assert.deepEqual(argsOf({}), ['/e', '-e', 'c']);
  assert.deepEqual(argsOf({ args: [] }), ['/e', '-e', 'c']);
  assert.deepEqual(argsOf({ args: ['own', 'x'] }), ['/e', '-e', 'own', 'x']);
  assert.deepEqual(argsOf({ entrypoint: '/other' }), ['/other']);
  assert.deepEqual(argsOf({ entrypoint: '', args: ['own'] }), ['own']);
  assert.throws(() => argsOf({ entrypoint: '' }), { code: 'nodes.no-command' });
  assert.throws(() => convert(undefined), { code: 'nodes.no-command' });
});

test('environment and working directory have defaults', () => {
  const plain = convert({ Cmd: ['c'] }).process;
  assert.match(plain.env[0] ?? '', /^PATH=\/usr\/local\/sbin:/);
  assert.equal(plain.cwd, '/');
  const own = convert(
    { Cmd: ['c'], Env: ['PATH=/bin', 'TERM=dumb'], WorkingDir: 'relative' },
    { terminal: true },
  ).process;
  assert.deepEqual(own.env, ['PATH=/bin', 'TERM=dumb']);
  assert.equal(own.cwd, '/relative');
});

test('annotations come of the config, and labels before them', () => {
  const { annotations } = toRuntimeConfig(
    parseRunConfig(
      JSON.stringify({
        os: 'linux',
        architecture: 'arm64',
        variant: 'v8',
        author: 'A',
        created: '2026-01-01T00:00:00Z',
        config: {
          Cmd: ['c'],
          ExposedPorts: { '80/tcp': {}, 443: {} },
          StopSignal: 'SIGQUIT',
          Labels: { a: 'b', 'org.opencontainers.image.author': 'L' },
        },
      }),
    ),
    ROOT,
  );
  assert.deepEqual(annotations, {
    'org.opencontainers.image.os': 'linux',
    'org.opencontainers.image.architecture': 'arm64',
    'org.opencontainers.image.variant': 'v8',
    'org.opencontainers.image.author': 'L',
    'org.opencontainers.image.created': '2026-01-01T00:00:00Z',
    'org.opencontainers.image.stopSignal': 'SIGQUIT',
    'org.opencontainers.image.exposedPorts': '443,80/tcp',
    a: 'b',
  });
});

test('a user other than root begins without capabilities, a read-only root has its volumes in memory', () => {
  const image = { Cmd: ['c'], Volumes: { '/v': {} } };
  const user = { uid: 5, gid: 5, additionalGids: [] };
  const own = convert(image, { user, readOnly: true });
  assert.deepEqual(own.process.capabilities.effective, []);
  assert.ok(own.process.capabilities.bounding.includes('CAP_CHOWN'));
  assert.equal(own.mounts.find((mount) => mount.destination === '/v')?.type, 'tmpfs');
  assert.equal(own.root.readonly, true);
  const writable = convert(image, { hostNetwork: true });
  assert.equal(
    writable.mounts.find((mount) => mount.destination === '/v'),
    undefined,
  );
  assert.ok(writable.mounts.some((mount) => mount.destination === '/etc/resolv.conf'));
  assert.ok(!writable.linux.namespaces.some((namespace) => namespace.type === 'network'));
});

test('configs that are none are refused', () => {
  for (const text of ['', '[]', '{"config":{"Env":"x"}}', '{"config":{"Labels":{"a":1}}}'])
    assert.throws(() => parseRunConfig(text), { code: 'nodes.config-invalid' });
  assert.deepEqual(parseRunConfig('{"config":{"Env":null}}').run.Env, []);
});
