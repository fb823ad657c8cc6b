import { statSync } from 'node:fs';
import { isMarkedVerified, markVerified, VERIFIED_TIME_S, verifyFile } from '../blobs/index.ts';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';

/** A layer's file and what its bytes are to be. */
export type LayerFile = {
  readonly file: string;
  /** Tree digest of the file (lib/piece-digest.ts). Snapshots made before digests were kept have none, and their files go unchecked. */
  readonly digest?: Digest | undefined;
};

/**
 * Checks that a layer's file is there and was not changed since it was verified. By its mark that takes one stat(2), and the
 * answer is undefined at once; without the mark a promise is given, and all bytes are read and the mark is set anew.
 * Throws, or rejects with, `nodes.layer-missing` or `nodes.blob-changed`.
 */
export function checkLayerFile(layer: LayerFile, signal?: AbortSignal): Promise<void> | undefined {
  const found = statSync(layer.file, { bigint: true, throwIfNoEntry: false });
  if (!found?.isFile()) {
    throw new LarderError('nodes.layer-missing', `the layer ${layer.file} is not there; create the image cache again`, {
      facts: { file: layer.file },
    });
  }
  if (found.mtimeNs === BigInt(VERIFIED_TIME_S) || layer.digest === undefined) return undefined;
  return checkBytes(layer.file, layer.digest, signal);
}

async function checkBytes(file: string, digest: Digest, signal?: AbortSignal): Promise<void> {
  if (await isMarkedVerified(file)) return;
  if (await verifyFile(file, digest, signal)) return markVerified(file);
  const message =
    `the bytes of the layer ${file} are not those that were built: the file was changed or the disk is failing; ` +
    'delete the image caches that have the layer and create them again';
  throw new LarderError('nodes.blob-changed', message, { facts: { file, digest } });
}
