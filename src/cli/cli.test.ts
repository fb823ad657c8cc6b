import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createParams } from './create-params.ts';
import { run } from './index.ts';
import { formatTable, plain } from './output.ts';

/** Runs the command line as a process would, without one. */
async function larder(argv: string[], options: { env?: Record<string, string>; signal?: AbortSignal } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await run(argv, {
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: { LARDER_PROFILE: '/nonexistent/profile.json', ...options.env },
    signal: options.signal ?? new AbortController().signal,
  });
  stdout.end();
  stderr.end();
  return { code, out: await text(stdout), err: await text(stderr) };
}

test('help and version are no failures, and help shows examples', async () => {
  assert.deepEqual(await larder(['--version']), { code: 0, out: '0.1.0\n', err: '' });
  for (const command of ['serve', 'create', 'list', 'describe', 'delete', 'mount', 'umount', 'demo']) {
    const { code, out } = await larder([command, '--help']);
    assert.equal(code, 0);
    assert.match(out, /Examples?:\n {2}(sudo )?larder /);
  }
});

test('wrong usage ends with 2 and says what is wrong', async () => {
  const wrong: [string[], RegExp][] = [
    [[], /Usage: larder/],
    [['frobnicate'], /unknown command/],
    [['create', 'x'], /--image/],
    [['create', 'x', '--image', 'a', '--size', '0'], /whole number/],
    [['create', 'x', '--image', 'a', '--credential', 'nothing'], /HOST=USER/],
    [['list', '--output', 'yaml'], /text, json/],
    [['serve', '--listen', 'everywhere', '--data', '/nonexistent'], /--listen takes HOST:PORT/],
    [['mount', 'imc-1'], /missing required argument/],
  ];
  for (const [argv, message] of wrong) {
    const { code, err } = await larder(argv);
    assert.equal(code, 2, argv.join(' '));
    assert.match(err, message);
  }
});

test('a failure ends with 1 and names the next step', async () => {
  const { code, err } = await larder(['list']);
  assert.equal(code, 1);
  assert.match(err, /^larder: no server to talk to: set LARDER_ENDPOINT .*larder serve/);
});

test('the options of create become the parameters of CreateImageCache', async () => {
  const params = await createParams(
    {
      image: ['a:1', 'b:2'],
      size: 25,
      retentionDays: 7,
      plainHttp: ['x:5000', 'y'],
      insecure: ['z'],
      credential: ['r.example.com:5000=user:pa:ss=word', 's=user'],
    },
    (host, user) => Promise.resolve(`asked for ${user} at ${host}`),
  );
  assert.deepEqual(params, {
    'Image.1': 'a:1',
    'Image.2': 'b:2',
    ImageCacheSize: '25',
    RetentionDays: '7',
    PlainHttpRegistry: 'x:5000,y',
    InsecureRegistry: 'z',
    'ImageRegistryCredential.1.Server': 'r.example.com:5000',
    'ImageRegistryCredential.1.UserName': 'user',
    'ImageRegistryCredential.1.Password': 'pa:ss=word',
    'ImageRegistryCredential.2.Server': 's',
    'ImageRegistryCredential.2.UserName': 'user',
    'ImageRegistryCredential.2.Password': 'asked for user at s',
  });
});

test('tables line up, and a server cannot write to the terminal what it likes', () => {
  assert.equal(
    formatTable([
      ['A', 'BB', 'C'],
      ['aaa', 'b', 'c'],
    ]),
    'A    BB  C\naaa  b   c',
  );
  assert.equal(plain('a\u001b[2Jb\nc\u009b'), 'a [2Jb c ');
});
