import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { MatchCounts } from '../api/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { FinishedCall } from '../rpc/index.ts';
import type { Store } from '../store/index.ts';

/** The API answers in a millisecond or two; the upper ones are for a disk that is slow to sync. */
const CALL_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What this process counts, and its text in Prometheus' format. */
export type Metrics = {
  readonly contentType: string;
  text(): Promise<string>;
  onCall(call: FinishedCall): void;
  onMatches(counts: MatchCounts): void;
  readonly blobs: {
    streamOpened(): void;
    streamClosed(): void;
    bytesSent(bytes: number): void;
  };
  /** The same store, with the builds that this process claims and ends counted. */
  watchBuilds(store: Store): Store;
  /** The same client, with the bytes that it downloads counted. */
  watchDownloads(client: RegistryClient): RegistryClient;
};

/** Makes the metrics of one server, in a registry of their own. The store is asked when the text is. */
export function createMetrics(store: { readonly caches: Pick<Store['caches'], 'countByStatus'> }): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });

  const calls = new Counter({
    name: 'larder_api_calls_total',
    help: 'Calls of the API, by action and by the code of the error; ok for none.',
    labelNames: ['action', 'code'],
    registers,
  });
  const durations = new Histogram({
    name: 'larder_api_call_duration_seconds',
    help: 'From the arrival of a call to its answer.',
    labelNames: ['action'],
    buckets: CALL_BUCKETS_S,
    registers,
  });
  const matches = new Counter({
    name: 'larder_match_images_total',
    help: 'Images of queries with MatchImage: held by the best cache (hit), held in another version (partial), or not (miss).',
    labelNames: ['result'],
    registers,
  });
  for (const result of ['hit', 'partial', 'miss']) matches.inc({ result }, 0);
  const buildsRunning = new Gauge({
    name: 'larder_builds_running',
    help: 'Builds under way in this process.',
    registers,
  });
  const buildsEnded = new Counter({
    name: 'larder_builds_ended_total',
    help: 'Builds that this process ended, by result.',
    labelNames: ['result'],
    registers,
  });
  const downloaded = new Counter({
    name: 'larder_layer_downloaded_bytes_total',
    help: 'Bytes of layers that came from registries, as they are compressed there.',
    registers,
  });
  const sent = new Counter({ name: 'larder_blob_sent_bytes_total', help: 'Bytes of blobs sent to nodes.', registers });
  const streams = new Gauge({ name: 'larder_blob_streams', help: 'Blobs being sent to nodes now.', registers });
  const caches = new Gauge({
    name: 'larder_image_caches',
    help: 'Image caches of all accounts, by status.',
    labelNames: ['status'],
    registers,
    async collect() {
      const counts = await store.caches.countByStatus();
      caches.reset();
      for (const [status, count] of counts) caches.set({ status }, count);
    },
  });

  return {
    contentType: register.contentType,
    text: () => register.metrics(),
    onCall({ action = 'unknown', code = 'ok', durationMs }) {
      calls.inc({ action, code });
      durations.observe({ action }, durationMs / 1000);
    },
    onMatches(counts) {
      for (const [result, count] of Object.entries(counts)) if (count > 0) matches.inc({ result }, count);
    },
    blobs: {
      streamOpened: () => streams.inc(),
      streamClosed: () => streams.dec(),
      bytesSent: (bytes) => sent.inc(bytes),
    },
    watchBuilds(watched) {
      const { builds } = watched;
      const running = new Set<string>();
      const end = (id: string) => {
        running.delete(id);
        buildsRunning.set(running.size);
      };
      return {
        ...watched,
        builds: {
          ...builds,
          async claim(owner, nowMs, leaseMs) {
            const build = await builds.claim(owner, nowMs, leaseMs);
            if (build) buildsRunning.set(running.add(build.id).size);
            return build;
          },
          async finish(id, owner, result, nowMs) {
            const isOurs = await builds.finish(id, owner, result, nowMs);
            if (isOurs) buildsEnded.inc({ result: result.status });
            end(id);
            return isOurs;
          },
          async release(id, owner) {
            await builds.release(id, owner);
            end(id);
          },
        },
      };
    },
    watchDownloads: (client) => ({
      ...client,
      openLayer(reference, descriptor, options) {
        let before = 0;
        const onBytes = (bytes: number) => {
          downloaded.inc(bytes - before);
          before = bytes;
          options.onBytes?.(bytes);
        };
        return client.openLayer(reference, descriptor, { ...options, onBytes });
      },
    }),
  };
}
