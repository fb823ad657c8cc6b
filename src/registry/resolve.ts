import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import {
  choosePlatform,
  type Descriptor,
  type ImageManifest,
  type ImageReference,
  type IndexEntry,
  limitExceeded,
  MANIFEST_ACCEPT,
  type Platform,
  parseConfig,
  parseManifest,
  platformUnavailable,
  suits,
} from '../oci/index.ts';
import { type Connection, fetchDocument } from './documents.ts';

export type ResolvedLayer = Descriptor & { readonly diffId: Digest };

/** An image, fixed: everything but the layers' bytes, verified by digest from the reference down. */
export type ResolvedImage = {
  /** Of the platform's manifest. */
  readonly manifestDigest: Digest;
  readonly manifest: ImageManifest;
  /** What the reference itself names: an index, or the manifest. */
  readonly rootDigest: Digest;
  readonly configDigest: Digest;
  /** The image config, verbatim. */
  readonly configText: string;
  /** Bottom layer first. */
  readonly layers: readonly ResolvedLayer[];
  /** What the config says; only a reference straight to a manifest may give another platform than was asked for. */
  readonly platform: Platform;
};

type Found = { digest: Digest; manifest: ImageManifest; rootDigest: Digest; mustSuit: boolean };

export async function resolveImage(
  connection: Connection,
  reference: ImageReference,
  options: { platform: Platform; signal: AbortSignal },
): Promise<ResolvedImage> {
  const { platform, signal } = options;
  const found = await findManifest(connection, reference, options);
  const { config, layers } = found.manifest;
  const { documents: limits } = connection.settings;
  const { maxConfigBytes } = limits;
  const readConfig = (bytes: Uint8Array) => parseConfig(bytes, { layerCount: layers.length, limits });
  const document = await fetchDocument(
    connection,
    {
      reference,
      path: `blobs/${config.digest}`,
      accept: '*/*',
      subject: `image config ${config.digest} of ${reference.repository}`,
      limit: { name: 'maxConfigBytes', maxBytes: maxConfigBytes },
      digest: config.digest,
      size: config.size,
      check: readConfig,
    },
    signal,
  );
  const parsed = readConfig(document.bytes);
  if (found.mustSuit && !suits(parsed.platform, platform)) throw platformUnavailable(platform, [parsed.platform]);
  return {
    manifestDigest: found.digest,
    manifest: found.manifest,
    rootDigest: found.rootDigest,
    configDigest: config.digest,
    configText: parsed.text,
    // parseConfig has made sure that there is a diffID for each layer.
    layers: parsed.diffIds.flatMap((diffId, index) => (layers[index] ? [{ ...layers[index], diffId }] : [])),
    platform: parsed.platform,
  };
}

/** From the reference through at most `maxIndexDepth` indexes to the platform's manifest. */
async function findManifest(
  connection: Connection,
  reference: ImageReference,
  { platform, signal }: { platform: Platform; signal: AbortSignal },
): Promise<Found> {
  const { documents } = connection.settings;
  const { maxIndexDepth, maxManifestBytes } = documents;
  let entry: IndexEntry | undefined;
  let rootDigest: Digest | undefined;
  for (let depth = 0; depth <= maxIndexDepth; depth++) {
    const digest = entry?.digest ?? reference.digest;
    const name = digest ?? reference.tag ?? '';
    const document = await fetchDocument(
      connection,
      {
        reference,
        path: `manifests/${name}`,
        accept: MANIFEST_ACCEPT,
        subject: `manifest ${name} of ${reference.repository}`,
        limit: { name: 'maxManifestBytes', maxBytes: maxManifestBytes },
        digest,
        ...(entry ? { size: entry.size } : {}),
        check: (bytes, mediaType) => parseManifest(bytes, mediaType, documents),
      },
      signal,
    );
    rootDigest ??= document.digest;
    const parsed = parseManifest(document.bytes, document.mediaType, documents);
    if (entry && entry.kind !== parsed.kind) {
      throw new LarderError(
        'oci.manifest-invalid',
        `the index calls ${name} an image ${entry.kind}, it is an ${parsed.kind}`,
      );
    }
    if (parsed.kind === 'manifest') {
      const mustSuit = entry !== undefined && entry.platform === undefined;
      return { digest: document.digest, manifest: parsed, rootDigest, mustSuit };
    }
    entry = choosePlatform(parsed.manifests, platform);
  }
  throw limitExceeded('maxIndexDepth', maxIndexDepth, 'indexes in each other');
}
