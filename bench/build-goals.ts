/**
 * What `bench/build.ts` does not show of making caches: reuse, single flight, sharing, deleting, a slow registry, and what
 * the API's answers take meanwhile.
 *
 *   npm run bench:goals -- [--only NAME]… [--output json] [--write]
 *
 * Everything is real: a server, Debian's docker-registry and clients, each a process of its own. Needs root.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '../src/client/index.ts';
import { cacheFolder } from '../test/support/cache-folder.ts';
import { startDockerRegistry } from '../test/support/docker-registry.ts';
import { ACCESS_KEY, REGION_ID, startLarder } from '../test/support/larder-server.ts';
import { describeWhileBuilding } from './goals/describe-while-building.ts';
import type { Bench, Goal } from './goals/goal.ts';
import { largeLayer } from './goals/large-layer.ts';
import { manyAtOnce } from './goals/many-at-once.ts';
import { reuse } from './goals/reuse.ts';
import { sharing } from './goals/sharing.ts';
import { slowRegistry } from './goals/slow-registry.ts';
import { writeSection } from './support/write-section.ts';

const CALL_TIMEOUT_MS = 60_000;
const GOALS = { reuse, manyAtOnce, sharing, describeWhileBuilding, slowRegistry, largeLayer };

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    output: { type: 'string', default: 'table' },
    write: { type: 'boolean', default: false },
  },
});

await mkdir(cacheFolder(), { recursive: true });
const work = await mkdtemp(join(cacheFolder(), 'goals-'));
const registry = await startDockerRegistry({ dir: join(work, 'registry') });
const rows: Goal[] = [];
try {
  for (const [name, measure] of Object.entries(GOALS)) {
    if (options.only && !options.only.includes(name)) continue;
    for await (const goal of measure(bench())) {
      rows.push(goal);
      console.error(`${goal.what}: ${goal.measured} (goal: ${goal.goal})`);
    }
  }
} finally {
  await registry[Symbol.asyncDispose]();
  await rm(work, { recursive: true, force: true });
}
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node.js ${process.version}`;
if (options.output === 'json') console.log(JSON.stringify({ machine, rows }, undefined, 2));
else {
  const lines = rows.map(({ what, measured, goal }) => `| ${what} | ${measured} | ${goal} |`);
  const text = [`${machine}:`, '', '| what | measured | goal |', '|---|---|---|', ...lines].join('\n');
  console.log(text);
  if (options.write) await writeSection('bench:goals', text);
}

function bench(): Bench {
  return {
    work,
    registry,
    async start(env = {}) {
      const server = await startLarder({ parent: work, env });
      const client = createClient({
        endpoint: `http://${server.endpoint}`,
        regionId: REGION_ID,
        timeoutMs: CALL_TIMEOUT_MS,
        ...ACCESS_KEY,
      });
      return Object.assign(server, { client });
    },
  };
}
