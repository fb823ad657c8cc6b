import type { Sealer } from '../accounts/index.ts';
import type { BuildOptions, ImageCache } from '../caches/index.ts';
import type { QueuedBuild } from './ports.ts';
import type { BuildRow } from './schema.ts';

/** The row of a build that nobody has claimed; its credentials are sealed from here on. */
export function queuedBuildRow(
  build: QueuedBuild,
  context: { cache: ImageCache; queuedAtMs: number; sealer: Sealer },
): BuildRow {
  const { credentials, ...options } = build.options;
  return {
    id: build.id,
    image_cache_id: context.cache.id,
    queued_at_ms: context.queuedAtMs,
    attempt: 0,
    lease_owner: null,
    lease_until_ms: null,
    images: JSON.stringify(build.images ?? context.cache.images),
    options: JSON.stringify(options),
    sealed_credentials: context.sealer.seal(JSON.stringify(credentials)),
    layers: '[]',
  };
}

/** Throws `accounts.seal-broken` when the server's key is no longer the one that sealed the credentials. */
export function optionsOf(row: BuildRow, sealer: Sealer): BuildOptions {
  const options: Omit<BuildOptions, 'credentials'> = JSON.parse(row.options);
  return { ...options, credentials: JSON.parse(sealer.open(row.sealed_credentials)) };
}
