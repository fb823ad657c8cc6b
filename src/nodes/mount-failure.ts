import { readFile } from 'node:fs/promises';
import { LarderError } from '../lib/errors.ts';
import type { ToolResult } from './run-tool.ts';

/** Explains why mount(8) failed, with the next step where the cause is known. */
export async function mountFailure(type: 'erofs' | 'overlay', result: ToolResult): Promise<LarderError> {
  const known = (await readFile('/proc/filesystems', 'utf8')).split('\n').some((line) => line.endsWith(`\t${type}`));
  if (!known) {
    return new LarderError(
      'nodes.kernel-lacks',
      `this kernel has no ${type} file system; load it with: modprobe ${type} (EROFS is in Linux since 5.4)`,
    );
  }
  const reason = result.stderr.split('\n').slice(0, 3).join('; ') || `exit code ${result.exitCode}`;
  return new LarderError('nodes.mount-failed', `mounting ${type} failed: ${reason}`);
}
