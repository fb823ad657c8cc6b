import { LarderError } from '../lib/errors.ts';
import { type Followed, failureReason } from './follow-build.ts';
import type { Io } from './io.ts';
import { colourStatus, type OutputFormat, plain, printJson, printLine } from './output.ts';

/** Prints how a build ended. Throws `cli.build-failed` unless the cache is Ready. */
export function reportBuild(io: Io, output: OutputFormat, { cache, answer }: Followed): void {
  if (output === 'json') printJson(io, answer);
  if (cache.Status !== 'Ready')
    throw new LarderError('cli.build-failed', `${cache.ImageCacheId}: ${plain(failureReason(cache))}`);
  if (output === 'text')
    printLine(io, `${cache.ImageCacheId} is ${colourStatus(io, 'Ready')}, snapshot ${cache.SnapshotId ?? ''}`);
}
