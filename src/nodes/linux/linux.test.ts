import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../../lib/errors.ts';
import { withMountLock } from '../mount-lock.ts';
import {
  canReadDirectly,
  explainFailure,
  loadLibc,
  openInRoot,
  SystemCallError,
  setMtime,
  tryUnmount,
  unmount,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'larder-linux-'));
const libc = await loadLibc();
after(() => rmSync(folder, { recursive: true }));

test('times of last change are set to the nanosecond, also before 1970', () => {
  for (const mtimeNs of [0n, 1_600_000_000_123_456_789n, -1n, -2_000_000_001n]) {
    setMtime(libc, folder, mtimeNs);
    assert.equal(statSync(folder, { bigint: true }).mtimeNs, mtimeNs);
  }
});

test('a file is opened as from inside its root', () => {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/inside'), 'inside');
  writeFileSync(join(folder, 'outside'), 'outside');
  symlinkSync('/etc/inside', join(root, 'absolute'));
  symlinkSync('../../../../outside', join(root, 'up'));
  symlinkSync('loop', join(root, 'loop'));
  const fd = openSync(root, 'r');
  const read = (path: string) => {
    const file = openInRoot(libc, fd, path);
    if (file === undefined) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  };
  try {
    assert.equal(read('/etc/inside'), 'inside');
    assert.equal(read('absolute'), 'inside');
    for (const path of ['up', 'loop', 'etc/inside/x', 'none', '../outside']) assert.equal(read(path), undefined, path);
  } finally {
    closeSync(fd);
  }
});

test('what the kernel refuses is told by its cause and the next step', () => {
  const isNotRoot = process.getuid?.() !== 0;
  const code = isNotRoot ? 'nodes.not-root' : 'nodes.not-attached';
  assert.throws(() => unmount(libc, folder), { code });
  if (!isNotRoot) assert.equal(tryUnmount(libc, folder), false);
  const told = (...[operation, errno]: ['erofs' | 'overlay' | 'loop' | 'unmount', string]) =>
    explainFailure(operation, '/x', new SystemCallError('call', errno));
  for (const [operation, errno, expected, message] of [
    ['erofs', 'ENODEV', 'nodes.kernel-lacks', /modprobe erofs/],
    ['erofs', 'EPERM', 'nodes.not-root', /sudo/],
    ['erofs', 'EUCLEAN', 'nodes.mount-failed', /no EROFS file/],
    ['overlay', 'ENODEV', 'nodes.kernel-lacks', /modprobe overlay/],
    ['overlay', 'EXDEV', 'nodes.mount-failed', /EXDEV.*dmesg/],
    ['loop', 'ENOENT', 'nodes.kernel-lacks', /neither .* nor .*modprobe loop/],
    ['unmount', 'EBUSY', 'nodes.busy', /fuser/],
  ] as const) {
    const error = told(operation, errno);
    assert.equal(errorCode(error), expected);
    assert.match(error instanceof Error ? error.message : '', message);
  }
  const other = new RangeError('x');
  assert.equal(explainFailure('erofs', '/x', other), other);
});

test('a file is read past the page cache only where its file system says that blocks of 4096 bytes will do', () => {
  const file = join(folder, 'any');
  writeFileSync(file, 'any');
  const told = (mask: number, memory: number, offset: number) =>
    canReadDirectly(
      {
        ...libc,
        statx(_folder, _path, _flags, _mask, into) {
          const statx = new DataView(into.buffer, into.byteOffset);
          statx.setUint32(0, mask, true);
          statx.setUint32(152, memory, true);
          statx.setUint32(156, offset, true);
        },
      },
      file,
    );
  assert.equal(told(0x2000, 512, 512), true);
  assert.equal(told(0x2000, 4, 4096), true);
  assert.equal(told(0x2000, 512, 16_384), false, 'a disk with larger sectors');
  assert.equal(told(0x2000, 0, 0), false, 'it has no such reads');
  assert.equal(told(0x7ff, 512, 512), false, 'it does not say');
  assert.equal(canReadDirectly(libc, '/proc/self/status'), false);
  assert.equal(canReadDirectly(libc, join(folder, 'none')), false);
});

test('of tasks under one lock file one runs at a time; waiting ends with the signal', async () => {
  const lock = join(folder, 'lock');
  let [inside, most] = [0, 0];
  const task = async () => {
    most = Math.max(most, ++inside);
    await sleep(5);
    inside--;
  };
  await Promise.all(Array.from({ length: 8 }, () => withMountLock(lock, task)));
  assert.equal(most, 1);
  await withMountLock(lock, async () => {
    await assert.rejects(withMountLock(lock, task, AbortSignal.timeout(30)), { name: 'TimeoutError' });
  });
  await assert.rejects(
    withMountLock(lock, () => Promise.reject(new Error('of the task'))),
    /of the task/,
  );
  await withMountLock(lock, task);
});
