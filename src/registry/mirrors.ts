import type { Digest } from '../lib/digest.ts';
import { errorCode } from '../lib/errors.ts';
import type { Endpoint } from './endpoint.ts';
import type { RegistrySettings } from './settings.ts';

/** The mirrors of one client, which are asked before the registry itself, in their order. */
export type Mirrors = {
  /** To be asked for a document, or for the layer with this digest. */
  of(registry: string, layer?: Digest): readonly Endpoint[];
  /** After a failure: whether it concerns the one document only, or the mirror, which is then not asked again. */
  failed(mirror: Endpoint, error: unknown): void;
  /** Bytes of the layer come from a mirror. */
  gave(layer: Digest): void;
  /** The layer turned out to be wrong: true when mirrors gave some of it, which are not asked for it any more. */
  distrust(layer: Digest): boolean;
};

/** Failures of one document: another one may be there. */
const OF_DOCUMENT: ReadonlySet<string | undefined> = new Set([
  'registry.not-found',
  'registry.forbidden',
  'registry.digest-mismatch',
  'registry.size-mismatch',
]);

export function createMirrors(settings: RegistrySettings): Mirrors {
  const unusable = new Set<Endpoint>();
  const [given, distrusted] = [new Set<Digest>(), new Set<Digest>()];
  const byRegistry = new Map(
    [...settings.mirrors].map(
      ([registry, urls]) => [registry, urls.map((url) => mirrorEndpoint(url, settings))] as const,
    ),
  );
  return {
    of(registry, layer) {
      if (layer !== undefined && distrusted.has(layer)) return [];
      return (byRegistry.get(registry.toLowerCase()) ?? []).filter((mirror) => !unusable.has(mirror));
    },
    failed(mirror, error) {
      settings.log?.warn(
        { err: error, mirror: mirror.registry },
        'mirror failed, the next one or the registry is asked',
      );
      const code = errorCode(error);
      if (!OF_DOCUMENT.has(code) && !code?.startsWith('oci.')) unusable.add(mirror);
    },
    gave: (layer) => void given.add(layer),
    distrust(layer) {
      distrusted.add(layer);
      return given.delete(layer);
    },
  };
}

/** A mirror has a login of its own, under its own name: that of the registry never goes there. */
function mirrorEndpoint(text: string, { insecure }: RegistrySettings): Endpoint {
  const url = new URL(text);
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  return {
    registry: url.host,
    origin: url.origin,
    hostname: url.hostname,
    verifyTls: !insecure.has(url.host),
    ...(prefix === '' ? {} : { prefix }),
  };
}
