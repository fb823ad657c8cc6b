/**
 * Runs the tests of faults for as long as one likes: `npm run faults -- --hours 8 [--seed N] [PART…]`, where a part of a
 * file's name picks it (`crash`, `kill`). The files share the hours; the last lines say what each did.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const FOLDER = join(import.meta.dirname, '../test/faults');
const SUFFIX = '.test.ts';
const DEFAULT_HOURS = '1';
/** What a test says in a line of its own, and not the runner's sums. */
const TOLD = /^\s*ℹ (?!(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$)(.+)$/;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { hours: { type: 'string', default: DEFAULT_HOURS }, seed: { type: 'string' } },
});
const hours = Number(values.hours);
if (!(hours > 0)) throw new RangeError(`--hours takes a number above 0, not ${values.hours}`);

const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith(SUFFIX))
  .filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
if (files.length === 0) throw new RangeError(`no file in test/faults is named like ${positionals.join(' or ')}`);
/** Those that can go on for longer. */
const timed = files.filter((name) => readFileSync(join(FOLDER, name), 'utf8').includes('support/effort.ts'));

const results: string[] = [];
for (const name of files) {
  const { code, told } = await runFile(name);
  results.push(`${code === 0 ? 'passed' : 'FAILED'}  ${name}${told.map((line) => `\n        ${line}`).join('')}`);
  if (code !== 0) process.exitCode = 1;
}
process.stdout.write(`\n${results.join('\n')}\n`);

/** One after the other: the moments at which things happen are then those of the machine alone. */
async function runFile(name: string): Promise<{ code: number; told: string[] }> {
  const env = {
    ...process.env,
    LARDER_FAULTS_HOURS: `${hours / Math.max(timed.length, 1)}`,
    ...(values.seed === undefined ? {} : { LARDER_FAULTS_SEED: values.seed }),
  };
  const args = ['--test', '--test-reporter=spec', join(FOLDER, name)];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const told: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    process.stdout.write(`${line}\n`);
    const [, text] = TOLD.exec(line) ?? [];
    if (text !== undefined) told.push(text);
  });
  const [code] = await once(child, 'close');
  return { code: Number(code ?? 1), told };
}
