/**
 * The import rules of ARCHITECTURE.md, checked: which folder may import which, what the pure folders keep out,
 * that no folder reaches into another's inner files, and that no import goes in a circle.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const SRC = resolve(import.meta.dirname, '../src');

/** Folder → the folders it may import. `lib` is allowed everywhere; a folder may always import itself. */
const ALLOWED: Record<string, readonly string[]> = {
  lib: [],
  oci: [],
  rpc: [],
  caches: ['oci'],
  accounts: [],
  'layers/erofs': [],
  layers: ['layers/erofs'],
  registry: ['oci'],
  blobs: [],
  store: ['caches', 'accounts', 'oci'],
  api: ['rpc', 'caches', 'accounts', 'oci', 'store:ports'],
  builds: ['caches', 'oci', 'layers', 'layers/erofs', 'store:ports', 'registry', 'blobs:ports'],
  nodes: ['oci', 'caches', 'blobs', 'layers/erofs'],
  'nodes/agent': ['nodes', 'oci', 'caches', 'blobs'],
  'nodes/containerd': ['nodes', 'oci', 'caches'],
  'nodes/podman': ['nodes', 'oci', 'caches'],
  config: ['caches'],
  server: ['rpc', 'api', 'accounts', 'config', 'store', 'blobs', 'builds', 'registry', 'caches', 'layers', 'oci'],
  backup: ['store', 'blobs'],
  client: ['rpc'],
  cli: [
    'client',
    'config',
    'nodes',
    'nodes/agent',
    'nodes/containerd',
    'nodes/podman',
    'oci',
    'server',
    'demo',
    'blobs',
    'caches',
    'backup',
  ],
  demo: ['client', 'config', 'nodes', 'oci', 'server', 'blobs', 'caches', 'layers'],
  main: ['cli'],
};

/** Pure folders take time, randomness and I/O as parameters. `node:crypto` is allowed: digests and signatures are pure. */
const PURE = new Set(['oci', 'rpc', 'caches', 'accounts', 'layers/erofs', 'layers']);
const PURE_BUILTINS = new Set(['node:crypto', 'node:buffer']);
/** What of a pure folder does I/O, by design: the inflaters. */
const IO_IN_PURE = new Set(['layers/decompress.ts', 'layers/igzip.ts', 'layers/child-output.ts']);

/** Folders within folders that have rows of their own. */
const NESTED = Object.keys(ALLOWED).filter((folder) => folder.includes('/'));

type Import = { from: string; to: string };
const problems: string[] = [];

function folderOf(file: string): string {
  if (!file.includes('/')) return file.replace(/\.ts$/, '');
  const nested = NESTED.find((folder) => file.startsWith(`${folder}/`));
  return nested ?? file.slice(0, file.indexOf('/'));
}

const files = globSync('**/*.ts', { cwd: SRC }).filter((file) => !file.endsWith('.test.ts'));
const imports: Import[] = [];
for (const file of files) {
  const text = readFileSync(join(SRC, file), 'utf8');
  const folder = folderOf(file);
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    const specifier = match[1] ?? '';
    if (specifier.startsWith('.')) {
      const to = relative(SRC, resolve(join(SRC, dirname(file)), specifier));
      if (!to.startsWith('..')) imports.push({ from: file, to });
      continue;
    }
    const impure = PURE.has(folder) && specifier.startsWith('node:') && !PURE_BUILTINS.has(specifier);
    if (impure && !IO_IN_PURE.has(file)) problems.push(`${file}: a pure folder imports ${specifier}`);
  }
  if (PURE.has(folder) && !IO_IN_PURE.has(file)) {
    for (const match of text.matchAll(
      /\b(process\.env|Date\.now\(|new Date\(\)|Math\.random\(|setTimeout\(|setInterval\()/g,
    ))
      problems.push(`${file}: a pure folder uses ${match[1]}`);
  }
}

for (const { from, to } of imports) {
  const [source, target] = [folderOf(from), folderOf(to)];
  if (source === target || target === 'lib') continue;
  const allowed = ALLOWED[source];
  if (!allowed) {
    problems.push(
      `${from}: folder ${source} has no row in the table of ${relative(process.cwd(), import.meta.filename)}`,
    );
    continue;
  }
  const ports = to === `${target}/ports.ts` && allowed.includes(`${target}:ports`);
  if (!ports && !allowed.includes(target)) problems.push(`${from}: ${source} may not import ${target} (${to})`);
  const isPublic = to === `${target}/index.ts` || to === `${target}/ports.ts`;
  if (!isPublic) problems.push(`${from}: reaches into ${to}; import ${target}/index.ts`);
}

const edges = new Map<string, string[]>();
for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to]);
const done = new Set<string>();
function walk(file: string, path: readonly string[]): void {
  if (path.includes(file)) problems.push(`import cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
  if (done.has(file) || path.includes(file)) return;
  for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
  done.add(file);
}
for (const file of files) walk(file, []);

for (const problem of new Set(problems)) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`imports: ${files.length} files, ${imports.length} imports, no rule broken`);
