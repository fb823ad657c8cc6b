import { z } from 'zod';
import { type Digest, isDigest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';

/** Names a blob or manifest by content (image-spec descriptor.md). `urls` and `data` are not used: layers come from the registry. */
export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
};

const MAX_MEDIA_TYPE_LENGTH = 255;

export const digestSchema = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), {
  error: 'must be sha256: and 64 lower-case hex digits, the one algorithm Larder takes',
});

export const mediaTypeSchema = z.string().min(1).max(MAX_MEDIA_TYPE_LENGTH);

export const descriptorSchema = z.object({
  mediaType: mediaTypeSchema,
  digest: digestSchema,
  size: z.int().nonnegative(),
});

/** Strict UTF-8 and JSON, within the limit; throws `oci.limit-exceeded` or `code`. */
export function parseJson(
  bytes: Uint8Array,
  options: { what: string; code: string; limit: { name: string; maxBytes: number }; maxValues: number },
): { text: string; value: unknown } {
  const { what, code, limit, maxValues } = options;
  if (bytes.byteLength > limit.maxBytes) throw limitExceeded(limit.name, limit.maxBytes, `bytes of ${what}`);
  if (countValues(bytes) > maxValues) throw limitExceeded('maxValues', maxValues, `values in ${what}`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, value: JSON.parse(text) };
  } catch (cause) {
    throw new LarderError(code, `the ${what} is not JSON in UTF-8`, { cause });
  }
}

const SEPARATORS = new Set(Buffer.from(',[{'));

/** No fewer values than the document has, without parsing it. */
function countValues(bytes: Uint8Array): number {
  let count = 1;
  for (const byte of bytes) if (SEPARATORS.has(byte)) count++;
  return count;
}

/** The value by its schema; throws `code` with the path of the first thing that is wrong. */
export function parseSchema<T>(schema: z.ZodType<T>, value: unknown, options: { what: string; code: string }): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.length ? `${issue.path.map(String).join('.')}: ` : '';
  throw new LarderError(options.code, `the ${options.what} is not valid: ${path}${issue?.message ?? 'unknown reason'}`);
}

/** A limit was hit; the message and the facts say which. */
export function limitExceeded(limit: string, max: number, what: string): LarderError {
  return new LarderError('oci.limit-exceeded', `more than ${max} ${what} (limit ${limit})`, { facts: { limit, max } });
}
