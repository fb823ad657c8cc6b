import type { CacheEventInput } from '../caches/index.ts';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { formatBytes } from '../lib/format.ts';
import type { ClaimedBuild } from '../store/ports.ts';

const GIB = 2 ** 30;

/** The Warning events of a failed build: what went wrong, and what the owner of the cache can do about it. */
export function explainFailure(error: unknown, build: ClaimedBuild): CacheEventInput[] {
  const failed = (message: string): CacheEventInput => ({ type: 'Warning', reason: 'Failed', message });
  switch (errorCode(error) ?? '') {
    case 'builds.exceeds-size': {
      const size = build.cache.sizeGib;
      const message = `Images are larger than the image cache: ${describeError(error)}, ImageCacheSize is ${size} GiB (${formatBytes(size * GIB)}). Create the cache again with a larger ImageCacheSize.`;
      return [
        { type: 'Warning', reason: 'ExceedSize', message },
        failed('Image cache failed: images exceed ImageCacheSize'),
      ];
    }
    case 'builds.pull-failed':
      return [
        { type: 'Warning', reason: 'FailedPull', message: describeError(error) },
        failed('Image cache failed: an image could not be pulled'),
      ];
    default: {
      // Our own codes carry a message made for people; anything else is a fault of the server, told without its inner text.
      const known = error instanceof LarderError;
      return [
        failed(
          known
            ? `Image cache failed: ${describeError(error)}`
            : 'Image cache failed: internal error, see the log of the server',
        ),
      ];
    }
  }
}
