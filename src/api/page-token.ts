/** The position of a cache in a list: newest first, then by id. */
export type PagePosition = { createdAtMs: number; id: string };

/** An opaque token for the page after this cache. */
export function formatPageToken({ createdAtMs, id }: PagePosition): string {
  return Buffer.from(`${createdAtMs}:${id}`).toString('base64url');
}

/** Null when the text is no token of ours. */
export function parsePageToken(token: string): PagePosition | null {
  const match = /^(\d{1,15}):(imc-[a-z0-9]{20})$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
  return match?.[1] && match[2] ? { createdAtMs: Number(match[1]), id: match[2] } : null;
}
