import { z } from 'zod';
import type { Digest } from '../../lib/digest.ts';
import { LarderError } from '../../lib/errors.ts';

/** What the agent asks of a client of the API; `src/client` has it. */
export type SourceClient = {
  call(action: string, params: Readonly<Record<string, string>>, options: { signal: AbortSignal }): Promise<unknown>;
  openBody(path: string, query: Readonly<Record<string, string>>, options: BodyOptions): Promise<Body>;
  /** Each chunk is valid until the next is asked for. */
  openLargeBody(path: string, query: Readonly<Record<string, string>>, options: BodyOptions): Promise<Body>;
};
type BodyOptions = { signal: AbortSignal; range?: string };
type Body = { status: number; headers: ReadonlyMap<string, string>; bytes: AsyncIterable<Uint8Array> };

/** Which caches a node holds: those of any of the ids and names, those that have all of the tags, or all there are. */
export type Selection = {
  readonly caches: readonly string[];
  /** `key=value`, or a key alone for any value. */
  readonly tags: readonly string[];
  readonly all: boolean;
};

export type ChosenCache = {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly images: readonly string[];
  /** Absent until the cache was Ready once. */
  readonly snapshotId?: string | undefined;
};

/** The server, as the agent sees it. */
export type NodeSource = {
  /** The chosen caches that there are; every page. Also names those of the selection that match nothing. */
  choose(selection: Selection, signal: AbortSignal): Promise<{ caches: ChosenCache[]; missing: string[] }>;
  /** The manifest of a snapshot, as the server keeps it. */
  manifest(snapshotId: string, signal: AbortSignal): Promise<string>;
  /** Bytes of a blob from `from` on; they may begin earlier, at `begins`, where the server knows no ranges. */
  openBlob(blob: BlobAddress, from: number, signal: AbortSignal): Promise<BlobBytes>;
};

export type BlobAddress = { readonly snapshotId: string; readonly key: Digest };
/** Each chunk of the bytes is valid until the next is asked for. */
export type BlobBytes = { readonly begins: number; readonly total: number; readonly bytes: AsyncIterable<Uint8Array> };

/** The vendor's own limit of a page. */
const PAGE_SIZE = '50';
/** A manifest of 20 images with 500 layers each is 5 MB. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const CACHE_ID = /^imc-/;
const CONTENT_RANGE = /^bytes (\d+)-\d+\/(\d+)$/;

const cacheSchema = z.object({
  ImageCacheId: z.string(),
  ImageCacheName: z.string(),
  Status: z.string(),
  Images: z.array(z.string()).default([]),
  SnapshotId: z.string().optional(),
});
const pageSchema = z.object({ ImageCaches: z.array(cacheSchema), NextToken: z.string().optional() });

/** The server through its API and its routes for nodes. Throws what the client throws, and `agent.bad-answer`. */
export function createNodeSource(client: SourceClient): NodeSource {
  async function list(filter: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ChosenCache[]> {
    const caches: ChosenCache[] = [];
    for (let token: string | undefined = ''; token !== undefined; ) {
      const params: Record<string, string> = {
        ...filter,
        Limit: PAGE_SIZE,
        ...(token === '' ? {} : { NextToken: token }),
      };
      const page = parsePage(await client.call('DescribeImageCaches', params, { signal }));
      for (const {
        ImageCacheId: id,
        ImageCacheName: name,
        Status: status,
        Images: images,
        SnapshotId,
      } of page.ImageCaches)
        caches.push({ id, name, status, images, snapshotId: SnapshotId || undefined });
      token = page.NextToken || undefined;
    }
    return caches;
  }

  return {
    async choose({ caches: wanted, tags, all }, signal) {
      const found = new Map<string, ChosenCache>();
      const missing: string[] = [];
      const filters = new Map<string, Readonly<Record<string, string>>>();
      if (all) filters.set('all', {});
      else {
        for (const each of wanted)
          filters.set(each, CACHE_ID.test(each) ? { ImageCacheId: each } : { ImageCacheName: each });
        if (tags.length > 0) filters.set(tags.join(' '), tagFilter(tags));
      }
      for (const [name, filter] of filters) {
        const caches = await list(filter, signal);
        if (caches.length === 0) missing.push(name);
        for (const cache of caches) found.set(cache.id, cache);
      }
      return { caches: [...found.values()], missing };
    },

    async manifest(snapshotId, signal) {
      const answer = await client.openBody(`/snapshots/${snapshotId}`, {}, { signal });
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of answer.bytes) {
        size += chunk.length;
        if (size > MAX_MANIFEST_BYTES)
          throw badAnswer(`the manifest of ${snapshotId} is longer than ${MAX_MANIFEST_BYTES} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString();
    },

    async openBlob({ snapshotId, key }, from, signal) {
      const path = `/snapshots/${snapshotId}/blobs/${key}`;
      const options = from === 0 ? { signal } : { signal, range: `bytes=${from}-` };
      const { status, headers, bytes } = await client.openLargeBody(path, {}, options);
      if (status === 200) return { begins: 0, total: Number(headers.get('content-length') ?? Number.NaN), bytes };
      const [, begins, total] = CONTENT_RANGE.exec(headers.get('content-range') ?? '') ?? [];
      return { begins: Number(begins ?? Number.NaN), total: Number(total ?? Number.NaN), bytes };
    },
  };
}

function tagFilter(tags: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [place, tag] of tags.entries()) {
    const equals = tag.indexOf('=');
    params[`Tag.${place + 1}.Key`] = equals === -1 ? tag : tag.slice(0, equals);
    if (equals !== -1) params[`Tag.${place + 1}.Value`] = tag.slice(equals + 1);
  }
  return params;
}

function parsePage(answer: unknown): z.infer<typeof pageSchema> {
  const parsed = pageSchema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw badAnswer("the server's answer is not the ECI API's; check LARDER_ENDPOINT");
}

function badAnswer(message: string): LarderError {
  return new LarderError('agent.bad-answer', message);
}
