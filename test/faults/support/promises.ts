/** What a client was told by a server, or has asked for and not yet been told; ids are those of image caches. */
export type Mark =
  | { kind: 'created'; id: string; image: string; name: string; mayExpire: boolean }
  | { kind: 'ready'; id: string; image: string }
  /** A new name, or other images, are asked for from here on. */
  | { kind: 'renaming' | 'deleting' | 'deleted'; id: string }
  | { kind: 'updating'; id: string; image: string }
  | { kind: 'renamed'; id: string; name: string }
  /** The clock is that much ahead from here on. */
  | { kind: 'jump'; offsetMs: number };

/** What must be there, as far as is known: an absent field may be anything. */
export type Promised = { name?: string; mayExpire: boolean; isReady: boolean; images: string[] };

/** What a server has promised: after a crash, all of it still has to hold. */
export type Promises = {
  caches: ReadonlyMap<string, Promised>;
  deleted: ReadonlySet<string>;
  offsetMs: number;
};

export function promisesAfter(marks: Iterable<Mark>): Promises {
  const caches = new Map<string, Promised>();
  const deleted = new Set<string>();
  let offsetMs = 0;
  for (const mark of marks) {
    if (mark.kind === 'jump') {
      offsetMs = mark.offsetMs;
      // Whatever was not Ready may have failed, and what failed is removed after an hour.
      for (const [id, cache] of caches) if (cache.mayExpire || !cache.isReady) caches.delete(id);
      continue;
    }
    const { id } = mark;
    const cache = caches.get(id);
    switch (mark.kind) {
      case 'created':
        caches.set(id, { name: mark.name, mayExpire: mark.mayExpire, isReady: false, images: [mark.image] });
        break;
      case 'ready':
        if (cache) Object.assign(cache, { isReady: true, images: [mark.image] });
        break;
      case 'updating':
        cache?.images.push(mark.image);
        break;
      case 'renaming':
        delete cache?.name;
        break;
      case 'renamed':
        if (cache) cache.name = mark.name;
        break;
      case 'deleting':
        caches.delete(id);
        break;
      case 'deleted':
        deleted.add(id);
        break;
    }
  }
  return { caches, deleted, offsetMs };
}
