import { linkSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf } from '../lib/digest.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import { checkLayerFile } from './check-layer-file.ts';
import { layerFileOf } from './layer-file.ts';

export type HoldOptions = {
  /** The data folder that has the blob, of a server or of a node. */
  dataDirectory: string;
  /** The holder's own folder, on the file system of the data folder; made where there is none. */
  folder: string;
  layer: { readonly blob: Digest; readonly blobDigest?: Digest | undefined };
  signal?: AbortSignal | undefined;
};

/** What link(2) says where a second name can't be: other file system, a file system without links, too many of them. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP']);

/**
 * Keeps a layer's bytes beyond the life of its cache: makes the hard link `<folder>/<hex>.erofs` to the blob, checks it, and
 * gives its path, to mount from. Whoever removes the blob from the data folder only drops a name then. Where no link can be
 * made (another file system) the path is the blob's own. Holding a layer again is cheap. To let go, remove the file.
 *
 * Throws `nodes.layer-missing` when neither folder has it, `nodes.blob-changed` when its bytes are not those that were built.
 */
export async function holdBlob(options: HoldOptions): Promise<string> {
  const { dataDirectory, folder, layer, signal } = options;
  const source = layerFileOf(dataDirectory, layer.blob);
  const held = join(folder, `${hexOf(layer.blob)}.erofs`);
  const check = async (file: string) => checkLayerFile({ file, digest: layer.blobDigest }, signal);
  mkdirSync(folder, { recursive: true });
  const linked = tryLink(source, held);
  if (linked === 'impossible') {
    await check(source);
    return source;
  }
  try {
    await check(held);
    return held;
  } catch (error) {
    if (errorCode(error) !== 'nodes.blob-changed') throw error;
    rmSync(held);
    // The cache may have been built again meanwhile, into a file of its own.
    if (linked === 'made' || tryLink(source, held) !== 'made') throw error;
    await check(held).catch((second: unknown) => {
      rmSync(held);
      throw second;
    });
    return held;
  }
}

function tryLink(source: string, held: string): 'made' | 'there' | 'impossible' {
  if (statSync(held, { throwIfNoEntry: false })) return 'there';
  try {
    linkSync(source, held);
    return 'made';
  } catch (error) {
    const errno = errorCode(error) ?? '';
    if (errno === 'EEXIST') return 'there';
    if (NO_LINK.has(errno)) return 'impossible';
    if (errno !== 'ENOENT') throw error;
    const message = `the layer ${source} is not there; create the image cache again`;
    throw new LarderError('nodes.layer-missing', message, { cause: error, facts: { file: source } });
  }
}
