import type { Digest } from '../../lib/digest.ts';

/** Names the layer chain that a snapshot is meant to become; containerd finds the snapshot again by it. */
export const REF_LABEL = 'containerd.io/snapshot.ref';

export type SnapshotKind = 'view' | 'active' | 'committed';
export type Labels = Readonly<Record<string, string>>;

/** One snapshot (containerd, snapshots.Info), and where its files lie. */
export type SnapshotRecord = {
  /** Names its folders; never used twice. */
  readonly number: number;
  readonly name: string;
  /** Empty for none. */
  readonly parent: string;
  readonly kind: SnapshotKind;
  readonly labels: Labels;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Of a committed snapshot. */
  readonly sizeBytes: number;
  readonly inodes: number;
  /** The number of the held layer that it shows; undefined where its files are its own. */
  readonly layer: number | undefined;
};

/** Of a snapshot that shows a blob, which is one file. */
export const BLOB_INODES = 1;

/** A layer blob that is mounted at the folder of its number. */
export type HeldLayer = {
  readonly number: number;
  /** Key of the blob, and tree digest of its file where that is known. */
  readonly blob: Digest;
  readonly blobDigest: Digest | undefined;
};
