import type { Digest } from '../../lib/digest.ts';
import { createHashThread } from '../../lib/hash-thread.ts';
import { createLimit } from '../../lib/limit.ts';
import { type Fetched, fetchBlob } from './fetch-blob.ts';
import type { NodeSource } from './node-source.ts';
import type { WantedBlob } from './wanted-blobs.ts';

export type BlobProgress = { readonly key: Digest; readonly bytes: number; readonly have: number };

/** Downloads of blobs, each once however many snapshots want it, and at most so many at once. */
export type BlobDownloads = {
  /** Settles when the blob is there. It is given up when all who asked have aborted. */
  fetch(blob: WantedBlob, snapshotId: string, signal: AbortSignal): Promise<Fetched>;
  /** Bytes there of a blob that is asked for now. */
  have(key: Digest): number;
  /** Settles when those under way have ended. */
  idle(): Promise<void>;
  /** What is being downloaded at this moment. */
  active(): BlobProgress[];
};

type Download = {
  readonly blob: WantedBlob;
  readonly controller: AbortController;
  promise: Promise<Fetched>;
  askers: number;
  have: number;
  isActive: boolean;
};

export function createBlobDownloads(options: {
  source: NodeSource;
  dataDirectory: string;
  serverData: string | undefined;
  concurrency: number;
}): BlobDownloads {
  const { source, dataDirectory, serverData } = options;
  const limit = createLimit(options.concurrency);
  const hashing = createHashThread((bytes) => Buffer.from(new SharedArrayBuffer(bytes)));
  const downloads = new Map<Digest, Download>();

  function start(blob: WantedBlob, snapshotId: string): Download {
    const controller = new AbortController();
    const { signal } = controller;
    const download: Download = {
      blob,
      controller,
      askers: 0,
      have: 0,
      isActive: false,
      promise: limit(() => {
        download.isActive = true;
        return fetchBlob(blob, {
          dataDirectory,
          serverData,
          hashing,
          open: (from, opening) => source.openBlob({ snapshotId, key: blob.key }, from, opening),
          onBytes(have) {
            download.have = have;
          },
          signal,
        });
      }, signal).finally(() => downloads.delete(blob.key)),
    };
    // Whoever asked sees the failure; all of them may have gone.
    download.promise.catch(() => undefined);
    downloads.set(blob.key, download);
    return download;
  }

  return {
    async fetch(blob, snapshotId, signal) {
      signal.throwIfAborted();
      const download = downloads.get(blob.key) ?? start(blob, snapshotId);
      download.askers++;
      const left = Promise.withResolvers<never>();
      const leave = () => {
        if (--download.askers === 0) download.controller.abort(signal.reason);
        left.reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      try {
        return await Promise.race([download.promise, left.promise]);
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
    async idle() {
      await Promise.allSettled([...downloads.values()].map(({ promise }) => promise));
    },
    have: (key) => downloads.get(key)?.have ?? 0,
    active: () =>
      [...downloads.values()]
        .filter(({ isActive }) => isActive)
        .map(({ blob, have }) => ({ key: blob.key, bytes: blob.bytes, have })),
  };
}
