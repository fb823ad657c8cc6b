import { z } from 'zod';
import { LarderError } from '../lib/errors.ts';
import {
  type Descriptor,
  descriptorSchema,
  limitExceeded,
  mediaTypeSchema,
  parseJson,
  parseSchema,
} from './document.ts';
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './limits.ts';
import {
  type DocumentKind,
  documentKind,
  isImageConfig,
  layerCompression,
  OCI_MANIFEST,
  schema1Unsupported,
  unsupported,
} from './media-types.ts';
import type { Platform } from './platform.ts';

export type ImageManifest = {
  readonly kind: 'manifest';
  /** The document, verbatim. */
  readonly text: string;
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Bottom layer first. */
  readonly layers: readonly Descriptor[];
};

/** An entry that is itself an index or a manifest; what is neither (artifacts) was left out. */
export type IndexEntry = Descriptor & { readonly kind: DocumentKind; readonly platform?: Platform };

export type ImageIndex = { readonly kind: 'index'; readonly text: string; readonly manifests: readonly IndexEntry[] };

const WHAT = { what: 'manifest', code: 'oci.manifest-invalid' };

const rootSchema = z.looseObject({
  schemaVersion: z.number(),
  mediaType: mediaTypeSchema.optional(),
});

type Root = z.infer<typeof rootSchema>;

const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema).nullable() });

const platformSchema = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });

const indexSchema = z.object({
  manifests: z.array(
    descriptorSchema.extend({ platform: platformSchema.nullish(), artifactType: z.string().optional() }),
  ),
});

/**
 * Reads an image manifest or index, OCI or Docker. `mediaType` is what the registry or the parent's descriptor calls it;
 * undefined or a general type (`application/json`) leaves it to the document.
 * Throws `oci.manifest-invalid`, `oci.media-type-unsupported`, `oci.schema1-unsupported`, `oci.limit-exceeded`.
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType: string | undefined,
  limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS,
): ImageManifest | ImageIndex {
  const declared = mediaType === undefined ? undefined : documentKind(mediaType);
  const { text, value } = parseJson(bytes, {
    ...WHAT,
    limit: { name: 'maxManifestBytes', maxBytes: limits.maxManifestBytes },
    maxValues: limits.maxValues,
  });
  const root = parseSchema(rootSchema, value, WHAT);
  if (root.schemaVersion === 1) throw schema1Unsupported();
  if (root.schemaVersion !== 2) throw invalid(`schemaVersion ${root.schemaVersion} is unknown`);
  const kind = kindOf(root, declared);
  if (kind === 'index') return readIndex(text, root, limits);
  const called = root.mediaType ?? (declared === 'manifest' ? mediaType : undefined);
  return { ...readManifest(text, root, limits), mediaType: called ?? OCI_MANIFEST };
}

/** One meaning only: header, `mediaType` and content must agree (CVE-2021-41190, CVE-2024-3727). */
function kindOf(root: Root, declared: DocumentKind | undefined): DocumentKind {
  const looksLikeIndex = root.manifests !== undefined;
  const looksLikeManifest = root.layers !== undefined || root.config !== undefined;
  if (looksLikeIndex && looksLikeManifest) {
    throw invalid('it has both "manifests" and "layers" or "config", so it could be read in two ways');
  }
  const content: DocumentKind = looksLikeIndex ? 'index' : 'manifest';
  const own = root.mediaType === undefined ? undefined : documentKind(root.mediaType);
  if (root.mediaType !== undefined && own === undefined)
    throw unsupported(root.mediaType, 'neither an image nor an index');
  for (const [kind, source] of [[own, 'its mediaType'] as const, [declared, 'the registry'] as const]) {
    if (kind !== undefined && kind !== content)
      throw invalid(`${source} calls it an image ${kind}, its content is an ${content}`);
  }
  return content;
}

function readManifest(text: string, root: Root, { maxLayers }: DocumentLimits): Omit<ImageManifest, 'mediaType'> {
  // Before they are looked at: the schema would list what is wrong with each.
  if (lengthOf(root, 'layers') > maxLayers) throw limitExceeded('maxLayers', maxLayers, 'layers');
  const { config, layers: listed } = parseSchema(manifestSchema, root, WHAT);
  // Go writes an empty list of an image without layers as null.
  const layers = listed ?? [];
  if (!isImageConfig(config.mediaType)) {
    throw unsupported(config.mediaType, 'the reference names an artifact, not a container image');
  }
  for (const layer of layers) layerCompression(layer.mediaType);
  return { kind: 'manifest', text, config, layers };
}

function readIndex(text: string, root: Root, { maxIndexEntries }: DocumentLimits): ImageIndex {
  if (lengthOf(root, 'manifests') > maxIndexEntries) {
    throw limitExceeded('maxIndexEntries', maxIndexEntries, 'index entries');
  }
  const { manifests } = parseSchema(indexSchema, root, { ...WHAT, what: 'index' });
  return {
    kind: 'index',
    text,
    manifests: manifests.flatMap(({ artifactType, platform, ...descriptor }) => {
      const kind = documentKind(descriptor.mediaType);
      if (kind === undefined || artifactType !== undefined) return [];
      return [{ ...descriptor, kind, ...(platform ? { platform: readPlatform(platform) } : {}) }];
    }),
  };
}

function lengthOf(root: Root, field: 'layers' | 'manifests'): number {
  const list = root[field];
  return Array.isArray(list) ? list.length : 0;
}

function readPlatform({ os, architecture, variant }: z.infer<typeof platformSchema>): Platform {
  return { os, architecture, ...(variant ? { variant } : {}) };
}

function invalid(reason: string): LarderError {
  return new LarderError(WHAT.code, `the manifest is not valid: ${reason}`);
}
