import type { MatchPosition } from '../caches/index.ts';
import { apiError } from '../rpc/index.ts';

/** The position of a cache in a list: newest first, then by id. */
export type PagePosition = { createdAtMs: number; id: string };
/** The position of a tag: by cache, then by key. */
export type TagPosition = { id: string; key: string };

const CACHE_ID = 'imc-[a-z0-9]{20}';
const PAGE = new RegExp(String.raw`^(\d{1,15}):(${CACHE_ID})$`);
const TAG = new RegExp(`^t:(${CACHE_ID}):(.{1,128})$`, 's');
const MATCH = new RegExp(String.raw`^m:(\d{1,3}):(\d{1,3}):(\d{1,5}):(\d{1,15}):(${CACHE_ID})$`);

/** Opaque tokens for what comes after a position; the parsers give null for a text that is none of theirs. */
export function formatPageToken({ createdAtMs, id }: PagePosition): string {
  return seal(`${createdAtMs}:${id}`);
}

export function parsePageToken(token: string): PagePosition | null {
  const [, createdAtMs, id] = open(token, PAGE) ?? [];
  return createdAtMs && id ? { createdAtMs: Number(createdAtMs), id } : null;
}

export function formatTagToken({ id, key }: TagPosition): string {
  return seal(`t:${id}:${key}`);
}

export function parseTagToken(token: string): TagPosition | null {
  const [, id, key] = open(token, TAG) ?? [];
  return id && key ? { id, key } : null;
}

export function formatMatchToken({ full, partial, sizeGib, createdAtMs, id }: MatchPosition): string {
  return seal(`m:${full}:${partial}:${sizeGib}:${createdAtMs}:${id}`);
}

export function parseMatchToken(token: string): MatchPosition | null {
  const [, full, partial, sizeGib, createdAtMs, id] = open(token, MATCH) ?? [];
  if (!id) return null;
  return {
    full: Number(full),
    partial: Number(partial),
    sizeGib: Number(sizeGib),
    createdAtMs: Number(createdAtMs),
    id,
  };
}

/** The refusal of a token that a parser gave null for. */
export function foreignToken() {
  return apiError('InvalidParameter', { Param: 'NextToken', Reason: 'it is not from an earlier answer' });
}

function seal(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

function open(token: string, pattern: RegExp): RegExpExecArray | null {
  return pattern.exec(Buffer.from(token, 'base64url').toString('utf8'));
}
