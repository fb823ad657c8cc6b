/**
 * `npm test`: set-up, quick checks, then the tests from fast to slow, with the time of each stage; the first stage that
 * fails ends it. `npm test -- quick` stops before the end-to-end tests; `npm test -- e2e` runs one stage alone.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const node = process.execPath;

type Stage = { name: string; commands: readonly (readonly string[])[] };

/** A program of a development dependency, whether or not npm put its folder on PATH. */
const tool = (name: string): string => join(ROOT, 'node_modules/.bin', name);

/** Files run one after the other where they share the machine's disks and both cores with the servers they start. */
function testStage(name: string, patterns: readonly string[], filesAtOnce?: number): Stage {
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).toSorted();
  const concurrency = filesAtOnce === undefined ? [] : [`--test-concurrency=${filesAtOnce}`];
  return { name, commands: files.length === 0 ? [] : [[node, '--test', ...concurrency, ...files]] };
}

const STAGES: readonly Stage[] = [
  { name: 'setup', commands: [[node, 'scripts/setup-tests.ts']] },
  {
    name: 'checks',
    commands: [
      [tool('tsc'), '-p', '.'],
      [tool('biome'), 'check', '--error-on-warnings'],
      [tool('oxlint'), '--type-aware', '--deny-warnings'],
      [node, 'scripts/check-imports.ts'],
    ],
  },
  testStage('unit', ['src/**/*.test.ts', 'test/support/**/*.test.ts']),
  testStage('contract', ['test/contract/**/*.test.ts', 'test/conformance/**/*.test.ts']),
  testStage('e2e', ['test/e2e/**/*.test.ts', 'test/faults/**/*.test.ts'], 1),
];
const QUICK = ['checks', 'unit'];

function wanted(name: string | undefined): readonly Stage[] {
  if (name === undefined) return STAGES;
  const stages = STAGES.filter((stage) => (name === 'quick' ? QUICK.includes(stage.name) : stage.name === name));
  if (stages.length > 0) return stages;
  console.error(`no stage ${name}; there are quick, ${STAGES.map((stage) => stage.name).join(', ')}`);
  process.exit(2);
}

for (const stage of wanted(process.argv[2])) {
  const started = performance.now();
  for (const [command = '', ...args] of stage.commands) {
    const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
    if (status === 0) continue;
    console.error(`npm test: stage ${stage.name} failed${error ? `: ${error.message}` : ''}`);
    process.exit(1);
  }
  console.log(`npm test: ${stage.name} done in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
