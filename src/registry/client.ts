import type { Digest } from '../lib/digest.ts';
import type { Descriptor, ImageReference, Platform } from '../oci/index.ts';
import type { Connection } from './documents.ts';
import { type DownloadOptions, downloadLayer } from './download.ts';
import { type Endpoint, findEndpoint } from './endpoint.ts';
import { createMirrors } from './mirrors.ts';
import { createNetwork } from './network.ts';
import { type ResolvedImage, resolveImage } from './resolve.ts';
import { createSessions } from './sessions.ts';
import { type RegistryClientOptions, readSettings } from './settings.ts';
import { createTransport } from './transport.ts';

/** Reads images from registries (distribution-spec, pull). Made for one build with its credentials, and closed after it. */
export type RegistryClient = {
  /** Tag or digest → manifest and config for the platform. Throws LarderErrors with `registry.` and `oci.` codes. */
  resolve(reference: ImageReference, platform: Platform, signal: AbortSignal): Promise<ResolvedImage>;
  /** The compressed bytes of a layer, see {@link downloadLayer}. Nothing is asked for before the first read. */
  openLayer(reference: ImageReference, descriptor: Descriptor, options: DownloadOptions): AsyncIterable<Uint8Array>;
  /** To be told that a layer came out wrong: true when mirrors gave some of it, which it is then asked again without. */
  distrustMirrors(layer: Digest): boolean;
  /** Ends all connections; what is under way fails. */
  close(): Promise<void>;
};

export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const settings = readSettings(options);
  const network = createNetwork(settings);
  const transport = createTransport(network, settings);
  const closing = new AbortController();
  const endpoints = new Map<string, Endpoint>();

  const connection: Connection = {
    settings,
    mirrors: createMirrors(settings),
    sessions: createSessions(transport, settings, closing.signal),
    async endpointOf(registry, signal) {
      const known = endpoints.get(registry);
      if (known) return known;
      const endpoint = await findEndpoint(registry, settings, async (candidate) => {
        const answer = await transport(candidate, { url: new URL('/v2/', candidate.origin), signal });
        await answer.body.dump();
      });
      endpoints.set(registry, endpoint);
      return endpoint;
    },
  };

  return {
    resolve: (reference, platform, signal) =>
      resolveImage(connection, reference, { platform, signal: AbortSignal.any([signal, closing.signal]) }),
    openLayer: (reference, descriptor, download) =>
      downloadLayer(
        connection,
        { reference, descriptor },
        { ...download, signal: AbortSignal.any([download.signal, closing.signal]) },
      ),
    distrustMirrors: (layer) => connection.mirrors.distrust(layer),
    async close() {
      closing.abort();
      await network.close();
    },
  };
}
