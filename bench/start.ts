/**
 * What a cache saves when containers start: attaching, runc, Podman, containerd, a fresh node, reading; each against the
 * programs that people use otherwise, on the same image in the same run.
 *
 *   npm run bench:start -- [--rounds N] [--image debian-minbase|debian-apps] [--only NAME]… [--output json] [--write]
 *
 * Everything is real: a server, Debian's docker-registry, containerd, podman and runc, each a process of its own. `ctr images pull`
 * is measured with the containerd of Debian's next release, too, which setup:tests fetches; LARDER_TEST_CONTAINERD names a folder
 * with another containerd, used instead of both. `--write` puts the table into docs/performance.md. Needs root.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../test/support/cache-folder.ts';
import { unmountBelow } from '../test/support/containerd.ts';
import { CONTAINERD_RELEASES, containerdTools, containerdVersion } from '../test/support/containerd-releases.ts';
import { DEBIAN_APPS } from '../test/support/debian-images.ts';
import { startDockerRegistry } from '../test/support/docker-registry.ts';
import { isExecutableOnPath } from '../test/support/requirements.ts';
import { run } from '../test/support/run.ts';
import { attach } from './start/attach.ts';
import { containerd } from './start/containerd.ts';
import { freshNode } from './start/fresh-node.ts';
import { podmanRun } from './start/podman-run.ts';
import { readFiles } from './start/read-files.ts';
import { runcRun } from './start/runc-run.ts';
import { openStartBench } from './start/start-bench.ts';
import { type StartReport, startTable, writeTable } from './start/start-report.ts';
import type { StartRow } from './start/start-row.ts';

const DOCUMENT = join(import.meta.dirname, '../docs/performance.md');
const ROWS = { attach, runcRun, containerd, podmanRun, freshNode, readFiles };

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    image: { type: 'string', default: DEBIAN_APPS },
    output: { type: 'string', default: 'table' },
    only: { type: 'string', multiple: true },
    write: { type: 'boolean', default: false },
  },
});
const unknown = options.only?.find((name) => !Object.hasOwn(ROWS, name));
if (unknown !== undefined) throw new Error(`no ${unknown}; there are: ${Object.keys(ROWS).join(', ')}`);
if (options.write && options.only) throw new Error('--write takes the whole table: leave out --only');
const missing = CONTAINERD_RELEASES.flatMap(containerdTools).filter((tool) => !isExecutableOnPath(tool));
if (missing.length > 0) throw new Error(`no ${missing.join(', ')}; \`npm run setup:tests\` brings them`);

await mkdir(cacheFolder(), { recursive: true });
// Short: sockets below it have 107 bytes for their paths.
const work = await mkdtemp(join(cacheFolder(), 'st-'));
// Whatever way this ends; daemons have handlers of their own, which come first.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));
const cleanUp = () => {
  unmountBelow(work);
  rmSync(work, { recursive: true, force: true });
};

const rows: StartRow[] = [];
try {
  await using registry = await startDockerRegistry({ dir: join(work, 'registry') });
  await using bench = await openStartBench({ work, registry, image: options.image, rounds: Number(options.rounds) });
  process.once('exit', cleanUp);
  for (const [name, measure] of Object.entries(ROWS)) {
    if (options.only && !options.only.includes(name)) continue;
    for await (const row of measure(bench)) {
      rows.push(row);
      const against = row.peer ? `, ${row.peer.name} ${row.peer.times.median.toFixed(1)} ms` : '';
      console.error(`${row.what}: ${row.ours.median.toFixed(1)} ms${against}; ${row.note ?? ''}`);
    }
  }
  const report: StartReport = {
    image: options.image,
    blobs: bench.blobs,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node.js ${process.version}`,
    rounds: bench.rounds,
    versions: await versions(),
    rows,
  };
  if (options.output === 'json') console.log(JSON.stringify(report, undefined, 2));
  else console.log(startTable(report));
  if (options.write) writeTable(DOCUMENT, report);
} finally {
  cleanUp();
}

async function versions(): Promise<string> {
  const found: string[] = [];
  for (const each of CONTAINERD_RELEASES) found.push(`containerd ${(await containerdVersion(each)).text}`);
  for (const command of ['podman', 'runc']) {
    const version = /v?(\d+\.\d+\.\d+\S*)/.exec(await run(command, ['--version']))?.[1];
    found.push(`${command} ${version}`);
  }
  return found.join(', ');
}
