/**
 * From a registry to usable: CreateImageCache to Ready against the peers, and against the least that anybody must do, on the
 * same image in the same run.
 *
 *   npm run bench:build -- [--rounds N] [--image NAME] [--inflater igzip|node] [--only NAME]… [--output json] [--write]
 *
 * The images: debian-minbase, debian-apps (1.3 GB in 2 layers), one-layer-2g, 40-layers. `--write` puts the table into
 * docs/performance.md.
 *
 * Every contender starts with an empty store, written-back disks and an empty page cache; the order turns from round to
 * round. All count only once the data is on the disk: the others with a `sync` after them, Larder with the fsync of its
 * own. CPU and memory are those of daemons and children, too; the registry's and the kernel's writeback are nobody's.
 * Needs root.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchImage } from '../test/support/bench-images.ts';
import { cacheFolder } from '../test/support/cache-folder.ts';
import { DEBIAN_APPS } from '../test/support/debian-images.ts';
import { type DockerRegistry, startDockerRegistry } from '../test/support/docker-registry.ts';
import { createImageCacheClient } from '../test/support/image-cache-client.ts';
import { startLarder } from '../test/support/larder-server.ts';
import { pushImage } from '../test/support/push-image.ts';
import { isExecutableOnPath } from '../test/support/requirements.ts';
import { run } from '../test/support/run.ts';
import { floor, inflatingAlone, type Job, PEERS } from './build-peers.ts';
import { dropCaches, type Measurement } from './cold-run.ts';
import { processCpuSeconds } from './process-cpu.ts';
import { summarize, table } from './report.ts';
import { type Footprint, withFootprint } from './support/footprint.ts';
import { writeSection } from './support/write-section.ts';

const BUILD_TIMEOUT_MS = 600_000;
const OURS = 'larder';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    image: { type: 'string', default: DEBIAN_APPS },
    output: { type: 'string', default: 'table' },
    inflater: { type: 'string', default: 'igzip' },
    only: { type: 'string', multiple: true },
    write: { type: 'boolean', default: false },
  },
});

const inflater = options.inflater === 'node' ? 'node' : 'igzip';

async function larderBuild(work: string, reference: string): Promise<Measurement> {
  const env = inflater === 'node' ? { LARDER_DECOMPRESSOR: 'node' } : {};
  await using larder = await startLarder({ parent: work, env });
  await dropCaches();
  const client = createImageCacheClient(larder.endpoint);
  const cpuBefore = processCpuSeconds(larder.pid);
  const started = performance.now();
  await client.createReady([reference], BUILD_TIMEOUT_MS);
  const wallSeconds = (performance.now() - started) / 1000;
  return { wallSeconds, cpuSeconds: processCpuSeconds(larder.pid) - cpuBefore };
}

/** The digests of an image's layers, and where they lie in the registry. */
async function layersOf(reference: string): Promise<{ digest: string; url: string }[]> {
  const [, host = '', repository = '', tag = ''] = /^([^/]+)\/(.+):([^:]+)$/.exec(reference) ?? [];
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' };
  const manifest = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, { headers });
  const { layers }: { layers: { digest: string }[] } = JSON.parse(await manifest.text());
  return layers.map(({ digest }) => ({ digest, url: `http://${host}/v2/${repository}/blobs/${digest}` }));
}

async function registryWarm(registry: DockerRegistry): Promise<void> {
  // The registry's own start-up work must not fall on whoever comes first.
  await fetch(`http://${registry.host}/v2/_catalog`).then((response) => response.arrayBuffer());
}

const layout = await benchImage(options.image);
await mkdir(cacheFolder(), { recursive: true });
const work = await mkdtemp(join(cacheFolder(), 'bench-'));
const registry = await startDockerRegistry({ dir: join(work, 'registry') });
try {
  const reference = await pushImage(layout, options.image, registry);
  const layers = await layersOf(reference);
  const layerUrls = layers.map(({ url }) => url);
  const layerFiles = layers.map(({ digest }) => join(layout, 'blobs', digest.replace(':', '/')));
  const contenders = new Map<string, (job: Job) => Promise<Measurement>>([
    ...Object.entries(PEERS),
    [`floor (${inflater})`, floor(inflater)],
    ...(inflater === 'igzip' ? [['igzip alone', inflatingAlone] as const] : []),
    [OURS, (job) => larderBuild(job.folder, job.reference)],
  ]);
  const names = [...contenders.keys()].filter((name) => options.only?.some((part) => name.includes(part)) ?? true);
  const results = new Map(names.map((name): [string, (Measurement & Footprint)[]] => [name, []]));
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of names) {
      await registryWarm(registry);
      const folder = await mkdtemp(join(work, 'run-'));
      await dropCaches();
      const contender = contenders.get(name);
      if (!contender) continue;
      const measurement = await withFootprint({ folder, bystanders: [registry.pid] }, () =>
        contender({ reference, layerUrls, layerFiles, folder }),
      );
      await run('rm', ['-rf', folder]);
      results.get(name)?.push(measurement);
      console.error(
        `round ${round + 1}, ${name}: ${measurement.wallSeconds.toFixed(2)} s, CPU ${measurement.cpuSeconds.toFixed(2)} s`,
      );
    }
    names.push(...names.splice(0, 1));
  }
  const summaries = [...results].map(([name, runs]) => summarize({ name, runs }));
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}`;
  const igzip = isExecutableOnPath('igzip');
  if (options.output === 'json') {
    console.log(
      JSON.stringify(
        { image: options.image, machine, igzip, summaries, results: Object.fromEntries(results) },
        undefined,
        2,
      ),
    );
  } else {
    const rows = table(summaries, OURS);
    const head = `${options.image}, ${options.rounds} rounds; ${machine}; igzip ${igzip ? 'is' : 'is not'} on PATH`;
    console.log(`${head}\n${rows}`);
    if (options.write) await writeSection(`bench:build ${options.image}`, `${head}:\n\n${rows}`);
  }
} finally {
  await registry[Symbol.asyncDispose]();
  await rm(work, { recursive: true, force: true });
}
