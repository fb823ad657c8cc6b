import { hash } from 'node:crypto';
import { z } from 'zod';
import { parseDigest } from '../../lib/digest.ts';
import { layerCompression } from '../../oci/index.ts';
import type { StoreImage, StoreLayer } from './store-model.ts';

/** An entry of overlay-images/images.json (containers/storage, images.go, `Image`), as far as we ask. */
const imageRecordSchema = z.looseObject({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  names: z.array(z.string()).optional(),
  'names-history': z.array(z.string()).optional(),
  /** The topmost layer; absent where the image has none. */
  layer: z.string().optional(),
});
export type ImageRecord = z.infer<typeof imageRecordSchema>;

const digest = z.string().transform((text) => parseDigest(text));
/** What we note of a layer beyond containers/storage's fields; in its `metadata`, which belongs to whoever makes a layer. */
const metadataSchema = z.object({
  mediaType: z.string(),
  blob: digest,
  blobDigest: digest.optional(),
  copy: z.number(),
  rootFrom: z.string().optional(),
});
/** An entry of overlay-layers/layers.json (containers/storage, layers.go, `Layer`). */
const layerRecordSchema = z.looseObject({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  parent: z.string().optional(),
  created: z.string(),
  'compressed-diff-digest': digest,
  'compressed-size': z.number(),
  'diff-digest': digest,
  'diff-size': z.number(),
  metadata: z.string(),
});

/** `archive.Compression` of containers/storage. */
const COMPRESSION = { none: 0, gzip: 2, zstd: 4 } as const;

export function imageRecord(image: StoreImage): ImageRecord {
  const items = bigData(image);
  const [newest] = image.manifests;
  return {
    id: image.id,
    ...(newest ? { digest: newest.digest } : {}),
    names: [...image.names],
    ...(image.layers.length > 0 ? { layer: image.layers.at(-1)?.id } : {}),
    metadata: '{}',
    'big-data-names': items.map((item) => item.key),
    'big-data-sizes': Object.fromEntries(items.map((item) => [item.key, Buffer.byteLength(item.document)])),
    'big-data-digests': Object.fromEntries(
      items.map((item) => [item.key, `sha256:${hash('sha256', item.document, 'hex')}`]),
    ),
    created: image.createdAt,
  };
}

/** The documents that containers/image wants to find with an image (storage_dest.go, `CommitWithOptions`). */
export function bigData(image: StoreImage): { key: string; document: string }[] {
  const [newest] = image.manifests;
  return [
    { key: image.configDigest, document: image.config },
    ...image.manifests.map((each) => ({ key: `manifest-${each.digest}`, document: each.document })),
    ...(newest ? [{ key: 'manifest', document: newest.document }] : []),
  ];
}

export function layerRecord(layer: StoreLayer): Record<string, unknown> {
  const { mediaType, blob, blobDigest, copy, rootFrom } = layer;
  return {
    id: layer.id,
    ...(layer.parent === undefined ? {} : { parent: layer.parent }),
    metadata: JSON.stringify({ mediaType, blob, blobDigest, copy, rootFrom }),
    created: layer.createdAt,
    'compressed-diff-digest': layer.digest,
    'compressed-size': layer.compressedBytes,
    'diff-digest': layer.diffId,
    'diff-size': layer.tarBytes,
    compression: COMPRESSION[layerCompression(mediaType) ?? 'none'],
  };
}

/** The images of images.json; none where it can't be read: what a crash or a stranger left of it is written anew. */
export function readImageRecords(text: string): ImageRecord[] {
  return readList(text, (value) => imageRecordSchema.safeParse(value).data);
}

export function readLayerRecords(text: string): StoreLayer[] {
  return readList(text, (value) => {
    const record = layerRecordSchema.safeParse(value).data;
    const metadata = record && metadataSchema.safeParse(parseJson(record.metadata)).data;
    if (!record || !metadata) return undefined;
    return {
      id: record.id,
      parent: record.parent,
      diffId: record['diff-digest'],
      digest: record['compressed-diff-digest'],
      compressedBytes: record['compressed-size'],
      tarBytes: record['diff-size'],
      createdAt: record.created,
      ...metadata,
    };
  });
}

function readList<Item>(text: string, read: (value: unknown) => Item | undefined): Item[] {
  const list = parseJson(text);
  return Array.isArray(list) ? list.map(read).filter((item) => item !== undefined) : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
