/**
 * From a registry to usable: `podman pull` against CreateImageCache to Ready, on the same image in the same run.
 *
 *   npm run bench:build -- [--rounds N] [--image debian-minbase|debian-apps] [--output json]
 *
 * Every round starts with an empty store, written-back disks and an empty page cache; the order alternates. Both sides count
 * only once the data is on the disk: podman with a `sync` after it, Larder with the fsync of its own. Needs root.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../test/support/cache-folder.ts';
import { DEBIAN_APPS, debianImages } from '../test/support/debian-images.ts';
import { type DockerRegistry, startDockerRegistry } from '../test/support/docker-registry.ts';
import { createImageCacheClient } from '../test/support/image-cache-client.ts';
import { startLarder } from '../test/support/larder-server.ts';
import { pushImage } from '../test/support/push-image.ts';
import { isExecutableOnPath } from '../test/support/requirements.ts';
import { run } from '../test/support/run.ts';
import { dropCaches, type Measurement, measureCommand } from './cold-run.ts';
import { processCpuSeconds, processPeakBytes } from './process-cpu.ts';
import { summarize, table } from './report.ts';

const BUILD_TIMEOUT_MS = 600_000;
const OURS = 'larder';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    image: { type: 'string', default: DEBIAN_APPS },
    output: { type: 'string', default: 'table' },
    /** Leaves our side out: to measure the peer alone. */
    'peer-only': { type: 'boolean', default: false },
  },
});

/** `podman pull` into an empty store on the same disk as ours. */
async function podmanPull(work: string, reference: string): Promise<Measurement> {
  const root = join(work, 'podman');
  // The settings of this machine must not decide: an own storage.conf with the kernel's overlay.
  const conf = join(work, 'storage.conf');
  await writeFile(conf, `[storage]\ndriver = "overlay"\nrunroot = "${root}/run"\ngraphroot = "${root}/store"\n`);
  try {
    return await measureCommand('podman', ['pull', '--quiet', '--tls-verify=false', reference], {
      CONTAINERS_STORAGE_CONF: conf,
    });
  } finally {
    await run('rm', ['-rf', root]);
  }
}

async function larderBuild(work: string, reference: string, peaks: number[]): Promise<Measurement> {
  await using larder = await startLarder({ parent: work });
  await dropCaches();
  const client = createImageCacheClient(larder.endpoint);
  const cpuBefore = processCpuSeconds(larder.pid);
  const started = performance.now();
  await client.createReady([reference], BUILD_TIMEOUT_MS);
  const wallSeconds = (performance.now() - started) / 1000;
  peaks.push(processPeakBytes(larder.pid));
  return { wallSeconds, cpuSeconds: processCpuSeconds(larder.pid) - cpuBefore };
}

async function registryWarm(registry: DockerRegistry): Promise<void> {
  // The registry's own start-up work must not fall on whoever comes first.
  await fetch(`http://${registry.host}/v2/_catalog`).then((response) => response.arrayBuffer());
}

const layout = await debianImages(console.error);
await mkdir(cacheFolder(), { recursive: true });
const work = await mkdtemp(join(cacheFolder(), 'bench-'));
const registry = await startDockerRegistry({ dir: join(work, 'registry') });
try {
  const reference = await pushImage(layout, options.image, registry);
  const results: Record<string, Measurement[]> = { 'podman pull': [], ...(options['peer-only'] ? {} : { [OURS]: [] }) };
  const peaks: number[] = [];
  const contenders: Record<string, () => Promise<Measurement>> = {
    'podman pull': async () => {
      await dropCaches();
      return podmanPull(work, reference);
    },
    [OURS]: () => larderBuild(work, reference, peaks),
  };
  for (let round = 0; round < Number(options.rounds); round++) {
    const names = Object.keys(results);
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await registryWarm(registry);
      const measurement = await contenders[name]?.();
      if (!measurement) continue;
      results[name]?.push(measurement);
      console.error(
        `round ${round + 1}, ${name}: ${measurement.wallSeconds.toFixed(2)} s, CPU ${measurement.cpuSeconds.toFixed(2)} s`,
      );
    }
  }
  const summaries = Object.entries(results).map(([name, runs]) => summarize({ name, runs }));
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}`;
  const igzip = isExecutableOnPath('igzip');
  const peakMib = Math.round(Math.max(0, ...peaks) / 2 ** 20);
  if (options.output === 'json') {
    console.log(JSON.stringify({ image: options.image, machine, igzip, peakMib, summaries, results }, undefined, 2));
  } else {
    console.log(`${options.image}, ${options.rounds} rounds; ${machine}; igzip ${igzip ? 'is' : 'is not'} on PATH`);
    console.log(table(summaries, OURS));
    if (peaks.length > 0) console.log(`peak memory of larder serve: ${peakMib} MiB`);
  }
} finally {
  await registry[Symbol.asyncDispose]();
  await rm(work, { recursive: true, force: true });
}
