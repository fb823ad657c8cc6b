import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SnapshotImage } from '../../caches/index.ts';
import { describeError, errorCode, LarderError } from '../../lib/errors.ts';
import { randomAlphanumeric } from '../../lib/ids.ts';
import type { Logger } from '../../lib/logger.ts';
import { chainIds, formatReference, parseReference } from '../../oci/index.ts';
import { type ContainerdClient, connectContainerd, type LeasedClient } from './containerd-client.ts';
import { watchHeldChains } from './held-chains.ts';
import { type Labels, REF_LABEL } from './snapshot-record.ts';

/** How often the data folder is looked at for new snapshots, and a containerd that is away is tried again. */
const POLL_MS = 2000;
const LEASE_MS = 60 * 60_000;
const ID_LENGTH = 12;
/** The namespace of Kubernetes, where images are looked up by digest as well. */
const KUBERNETES = 'k8s.io';
const GC_CONTENT = 'containerd.io/gc.ref.content';
const GC_SNAPSHOT = 'containerd.io/gc.ref.snapshot';
const SOURCE = 'containerd.io/distribution.source';

export type PreloadOptions = {
  dataDirectory: string;
  chosen: readonly string[];
  /** Where containerd listens. */
  containerdSocket: string;
  namespaces: readonly string[];
  /** The name of the proxy plugin in containerd's configuration. */
  snapshotter: string;
  log: Logger;
  signal: AbortSignal;
};

/**
 * Keeps containerd in step with the data folder until the signal: each image that comes is made known to it, with manifest,
 * config, and its layers as snapshots, as if it had been pulled. An image that was removed from containerd stays removed.
 * Never throws; what can't be done is in the log, and tried again where containerd was away.
 */
export async function keepPreloaded(options: PreloadOptions): Promise<void> {
  const { dataDirectory, chosen, containerdSocket, namespaces, snapshotter, log, signal } = options;
  const chains = watchHeldChains({ dataDirectory, chosen, log });
  const clients = namespaces.map((namespace) => ({
    namespace,
    client: connectContainerd({ socket: containerdSocket, namespace, snapshotter }),
    done: new Set<string>(),
    wasAway: false,
  }));
  while (!signal.aborted) {
    // The newest snapshot of a name decides, so all are seen before any is loaded.
    const images = new Map<string, SnapshotImage>();
    const snapshots = await chains.snapshots().catch((error: unknown) => {
      log.warn({ reason: describeError(error) }, 'the data folder cannot be listed');
      return [];
    });
    for (const { images: all } of snapshots) for (const image of all) images.set(nameOf(image), image);
    for (const target of clients) {
      for (const [name, image] of images) {
        const key = `${name} ${image.manifestDigest}`;
        if (signal.aborted) break;
        if (target.done.has(key)) continue;
        const { namespace, client } = target;
        try {
          await preloadImage(client, image, { namespace, snapshotter });
          log.info({ image: name, namespace }, 'image preloaded');
        } catch (error) {
          const isAway = errorCode(error) === 'containerd.unavailable';
          const fields = { image: name, namespace, reason: describeError(error) };
          if (!isAway) log.warn(fields, 'image not preloaded');
          else if (!target.wasAway) log.warn(fields, 'containerd is away; preloading goes on when it is back');
          target.wasAway = isAway;
          if (isAway) break;
        }
        target.wasAway = false;
        target.done.add(key);
      }
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  for (const { client } of clients) client.close();
}

/** Makes one image known to containerd. Throws `containerd.*`, `preload.manifest-missing`, `preload.layer-missing`. */
async function preloadImage(
  client: ContainerdClient,
  image: SnapshotImage,
  options: { namespace: string; snapshotter: string },
): Promise<void> {
  const { manifest, manifestMediaType, manifestDigest } = image;
  if (manifest === undefined || manifestMediaType === undefined) {
    const hint = 'update the image cache (larder update), so that the server records it';
    throw new LarderError('preload.manifest-missing', `the snapshot of ${image.reference} has no manifest; ${hint}`);
  }
  const id = `larder-preload-${randomAlphanumeric(ID_LENGTH, randomBytes)}`;
  await client.withLease(id, new Date(Date.now() + LEASE_MS), async (leased) => {
    const top = await takeLayers(leased, image, id);
    const { snapshotter, namespace } = options;
    const topLabel: Labels = top === undefined ? {} : { [`${GC_SNAPSHOT}.${snapshotter}`]: top };
    await leased.putContent({ digest: image.configDigest, bytes: Buffer.from(image.config), labels: topLabel });
    const bytes = Buffer.from(manifest);
    await leased.putContent({ digest: manifestDigest, bytes, labels: manifestLabels(image) });
    const target = { mediaType: manifestMediaType, digest: manifestDigest, size: bytes.length };
    for (const name of namesOf(image, namespace)) await leased.putImage({ name, target });
  });
}

/** Has containerd ask us for every layer of the image, bottom first, as a pull does. Returns the chainID of all of them. */
async function takeLayers(leased: LeasedClient, image: SnapshotImage, id: string): Promise<string | undefined> {
  const chain = chainIds(image.layers.map((layer) => layer.diffId));
  const top = chain.at(-1);
  if (top === undefined || (await leased.hasSnapshot(top))) return top;
  for (const [place, chainId] of chain.entries()) {
    if (await leased.hasSnapshot(chainId)) continue;
    const parent = place === 0 ? '' : (chain[place - 1] ?? '');
    const taken = await leased.takeSnapshot({ key: `${id} ${chainId}`, parent, labels: { [REF_LABEL]: chainId } });
    if (taken) continue;
    const layer = image.layers[place]?.blob ?? chainId;
    throw new LarderError('preload.layer-missing', `the layer ${layer} of ${image.reference} can't be used`);
  }
  return top;
}

/** What keeps config and layers as long as the manifest (containerd, docs/garbage-collection.md). */
function manifestLabels(image: SnapshotImage): Labels {
  const { registry, repository } = parseReference(image.reference);
  const layers = image.layers.map((layer, place) => [`${GC_CONTENT}.l.${place}`, layer.digest]);
  return {
    [`${GC_CONTENT}.config`]: image.configDigest,
    [`${SOURCE}.${registry}`]: repository,
    ...Object.fromEntries(layers),
  };
}

function nameOf(image: SnapshotImage): string {
  return formatReference(parseReference(image.reference));
}

function namesOf(image: SnapshotImage, namespace: string): string[] {
  const { registry, repository } = parseReference(image.reference);
  const byDigest = `${registry}/${repository}@${image.manifestDigest}`;
  return namespace === KUBERNETES ? [...new Set([nameOf(image), byDigest])] : [nameOf(image)];
}
