import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { digestSchema, parseJson, parseSchema } from './document.ts';
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './limits.ts';
import type { Platform } from './platform.ts';

/** What Larder needs of an image config (image-spec config.md), and the rest of it as text. */
export type ImageConfig = {
  /** The document, verbatim: its digest is the image's id. */
  readonly text: string;
  readonly platform: Platform;
  /** Digests of the uncompressed layers, bottom layer first. */
  readonly diffIds: readonly Digest[];
};

const WHAT = { what: 'image config', code: 'oci.config-invalid' };

/** Looked at first: the schema would list what is wrong with each. */
const countSchema = z.looseObject({ rootfs: z.looseObject({ diff_ids: z.array(z.unknown()).nullable() }) });

const configSchema = z.object({
  os: z.string().min(1),
  architecture: z.string().min(1),
  variant: z.string().optional(),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(digestSchema).nullable() }),
});

/** Reads an image config that must describe as many layers as its manifest. Throws `oci.config-invalid`, `oci.limit-exceeded`. */
export function parseConfig(bytes: Uint8Array, options: { layerCount: number; limits?: DocumentLimits }): ImageConfig {
  const { maxConfigBytes, maxValues } = options.limits ?? DEFAULT_DOCUMENT_LIMITS;
  const { text, value } = parseJson(bytes, {
    ...WHAT,
    limit: { name: 'maxConfigBytes', maxBytes: maxConfigBytes },
    maxValues,
  });
  const count = parseSchema(countSchema, value, WHAT).rootfs.diff_ids?.length ?? 0;
  if (count !== options.layerCount) {
    throw new LarderError(
      WHAT.code,
      `the image config lists ${count} diff_ids, its manifest ${options.layerCount} layers`,
    );
  }
  const { os, architecture, variant, rootfs } = parseSchema(configSchema, value, WHAT);
  // null: an image without layers, as Go writes it.
  const diffIds = rootfs.diff_ids ?? [];
  return { text, platform: { os, architecture, ...(variant ? { variant } : {}) }, diffIds };
}
