import type { Digest } from '../lib/digest.ts';

/**
 * Content-addressed bytes: layer blobs (one EROFS file each, keyed by the layer's diffID, or by its chainID where the blob
 * depends on the layers below) and snapshot manifests.
 * What is visible here is complete and on stable storage; `test/contract/blobs.ts` is the contract of every adapter.
 */
export type BlobStore = {
  /** Starts a blob that nobody sees until it is committed. */
  begin(): Promise<BlobIngest>;
  /** Size in bytes of a visible blob, or undefined. */
  size(diffId: Digest): Promise<number | undefined>;
  /** Opens a visible blob for reading; it stays readable until closed, even when it is removed meanwhile. Throws `blobs.not-found`. */
  open(diffId: Digest): Promise<BlobReader>;
  /** Removes a blob; no error when there is none. */
  remove(diffId: Digest): Promise<void>;
  /** All visible blobs, in no order. */
  list(): AsyncIterable<{ diffId: Digest; bytes: number }>;
  /** Publishes a snapshot manifest (UTF-8 JSON) in the same all-or-nothing way; writing the same id again replaces it. */
  putSnapshot(id: string, text: string): Promise<void>;
  getSnapshot(id: string): Promise<string | undefined>;
  removeSnapshot(id: string): Promise<void>;
  listSnapshots(): AsyncIterable<string>;
  /** Removes what earlier processes left half-written. Returns the names of the files. */
  removeLeftovers(): Promise<string[]>;
};

export type BlobIngest = {
  /** Writes the buffers one after the other from this byte position on. The buffers may be reused once the promise settles. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** A file for bytes that go into the blob later. */
  scratch(): Promise<ScratchFile>;
  /**
   * fsync → check that the file has `bytes` bytes → rename → fsync of the folder. A blob that is there is replaced: an earlier
   * version may have written it, with other bytes than the caller is about to record.
   */
  commit(diffId: Digest, bytes: number): Promise<void>;
  /** Throws the bytes away; safe to call at any time, also after commit. */
  abort(): Promise<void>;
};

/** Nobody else sees it, and it is gone once closed, or with the process. The caller closes it. */
export type ScratchFile = {
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Fills the memory with what was written from this position on; throws `blobs.short-read` behind the end. */
  read(into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
};

export type BlobReader = {
  /** Exactly `length` bytes from `position` on; throws `blobs.short-read` when the blob is shorter. */
  read(position: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
};

/** Looks after the bytes of blobs as they lie on the disk; beside a {@link BlobStore} of the same folder. */
export type BlobKeeper = {
  /**
   * Reads a whole blob past the page cache and gives its tree digest (lib/piece-digest.ts) and size; `onPiece` is waited for
   * after every piece. Throws `blobs.not-found`, `blobs.unreadable` where the disk can't read it any more, and other `blobs.…`
   * errors, which say nothing about the bytes.
   */
  read(
    diffId: Digest,
    options: { signal: AbortSignal; onPiece?: (bytes: number) => void | Promise<void> },
  ): Promise<{ blobDigest: Digest; bytes: number; fileId: string }>;
  /** Marks a blob that was just found right as verified (verified-file.ts), unless it is. */
  confirm(diffId: Digest): Promise<void>;
  /** Moves a blob out of everybody's sight; false when there is another file than the one with this id by now. */
  quarantine(diffId: Digest, options: { fileId?: string | undefined; nowMs: number }): Promise<boolean>;
  /** The same for a snapshot manifest; no error when there is none. */
  quarantineSnapshot(id: string, nowMs: number): Promise<void>;
  /** When the blob's file came to its place, or was last changed there; undefined when there is none. */
  changedAtMs(diffId: Digest): Promise<number | undefined>;
  /** Removes what was put aside before this time. Returns how many files. */
  pruneQuarantine(beforeMs: number): Promise<number>;
};
