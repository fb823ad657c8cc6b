import { setTimeout as sleep } from 'node:timers/promises';
import { type CacheEventInput, type CacheStatus, pullPercent } from '../caches/index.ts';
import { LarderError } from '../lib/errors.ts';
import type { BuildUpdate, LayerProgress } from '../store/ports.ts';
import { PROGRESS_INTERVAL_MS } from './services.ts';

/**
 * Collects what happens in a build and writes it to the store in one transaction per interval, in order.
 * When the store says that the lease is lost, the next call throws `lease.lost`.
 */
export class BuildProgress {
  readonly #write: (update: BuildUpdate) => Promise<boolean>;
  #layers: LayerProgress[] = [];
  #events: CacheEventInput[] = [];
  #status: CacheStatus | undefined;
  #percent = 0;
  #changed = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(write: (update: BuildUpdate) => Promise<boolean>) {
    this.#write = write;
  }

  setLayers(layers: readonly Omit<LayerProgress, 'downloadedBytes' | 'state'>[]): void {
    this.#layers = layers.map((layer) => ({ ...layer, downloadedBytes: 0, state: 'waiting' }));
    this.#changed = true;
  }

  /** Moves every row of this layer: images of one cache may share it. Bytes never go back, also when it is downloaded once more. */
  layer(digest: string, change: Pick<LayerProgress, 'state'> & { downloadedBytes?: number }): void {
    for (const layer of this.#layers) {
      if (layer.digest !== digest) continue;
      layer.state = change.state;
      const downloadedBytes = change.state === 'done' ? layer.totalBytes : (change.downloadedBytes ?? 0);
      layer.downloadedBytes = Math.max(layer.downloadedBytes, downloadedBytes);
    }
    this.#changed = true;
  }

  event(event: CacheEventInput): void {
    this.#events.push(event);
    this.#changed = true;
  }

  status(status: CacheStatus): void {
    this.#status = status;
    this.#changed = true;
  }

  /** Events not yet written; the caller writes them with the build's end. */
  takeEvents(): CacheEventInput[] {
    return this.#events.splice(0);
  }

  /** Writes what changed. Throws `lease.lost` when the build is no longer ours. */
  flush(): Promise<void> {
    const next = this.#writing.then(async () => {
      if (!this.#changed) return;
      this.#changed = false;
      const update: BuildUpdate = {
        ...(this.#status === undefined ? {} : { status: this.#status }),
        progressPercent: this.#status === 'Creating' ? 0 : this.#pullPercent(),
        events: this.takeEvents(),
        layers: this.#layers.map((layer) => ({ ...layer })),
      };
      if (!(await this.#write(update)))
        throw new LarderError('lease.lost', 'the build was taken over or its cache deleted');
    });
    this.#writing = next.catch(() => undefined);
    return next;
  }

  #pullPercent(): number {
    this.#percent = pullPercent(this.#layers, this.#percent);
    return this.#percent;
  }

  /** Flushes until the signal aborts. A lost lease rejects; a store that is away for a moment is tried again. */
  async keepFlushing(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.flush();
      } catch (error) {
        if (error instanceof LarderError && error.code === 'lease.lost') throw error;
        this.#changed = true;
      }
      await sleep(PROGRESS_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
