/**
 * Images with everything unusual that a layer may legally hold, as one OCI layout with a tag for each. The layout is
 * made anew in a second; only the tar streams matter, so nothing is cached.
 */
import { addLayer, type Layer, type LayerCompression, writeImages } from './oci-layout.ts';
import { directory, file, firstLayer, hardLink, secondLayer, sparseFiles, thirdLayer } from './oddities-layers.ts';
import { type TarEntry, writeTar } from './tar-writer.ts';
import type { TreeEntry } from './tree-compare.ts';

export type OddImage = {
  tag: string;
  /** The tag whose unpacking by umoci shows what is right: itself, or a twin that umoci can read. */
  reference: string;
};

/** Where umoci itself errs: it leaves the time of its own work on a directory whose whiteout follows it in one layer. */
export const UMOCI_CORRECTIONS: Readonly<Record<string, Partial<TreeEntry>>> = {
  'changes/remade-late': { mtime: '33500000000' },
};

/** Images whose layers can each be understood alone. */
export const ODDITIES: readonly OddImage[] = [
  { tag: 'oddities', reference: 'oddities' },
  // umoci 0.4.7 knows no zstd.
  { tag: 'oddities-zstd', reference: 'oddities' },
  // Nor the old GNU form of sparse files.
  { tag: 'sparse-gnu', reference: 'sparse-full' },
  { tag: 'layers-127', reference: 'layers-127' },
  { tag: 'layers-500', reference: 'layers-500' },
];

/** Images in which a layer leans on what lies below it: link targets, and directories it does not list itself. */
export const LEANING: readonly OddImage[] = [
  { tag: 'link-below', reference: 'link-below' },
  { tag: 'parents-below', reference: 'parents-below' },
  { tag: 'symlink-below', reference: 'symlink-below' },
];

/** A file whose size takes more than 32 bits; unpacking it would take a minute, so it is checked against this. */
export const LARGE = {
  tag: 'large-file',
  path: 'large',
  size: 2 ** 32 + 123_456,
  /** Everything else is zeros. */
  parts: [0, 2 ** 31, 2 ** 32].map((offset) => ({ offset, data: Buffer.alloc(512, `at ${offset}`) })),
};

/** Writes all images into the empty folder `layout`. */
export async function writeOddities(layout: string): Promise<void> {
  const add = (entries: Iterable<TarEntry>, compression: LayerCompression = 'gzip'): Promise<Layer> =>
    addLayer(layout, toAsync(writeTar(entries)), compression);
  const first = await add(firstLayer());
  const second = await add(secondLayer(), 'none');
  const third = await add(thirdLayer());
  const thirdZstd = await add(thirdLayer(), 'zstd');
  const empty = await add([]);
  const small = await Promise.all(Array.from({ length: 500 }, (_, index) => add(smallLayer(index))));
  const below = await add(baseLayer());
  await writeImages(layout, [
    { tag: 'oddities', layers: [first, empty, second, third, empty] },
    { tag: 'oddities-zstd', layers: [first, empty, second, thirdZstd, empty] },
    { tag: 'sparse-gnu', layers: [await add([directory('./'), ...sparseFiles('gnu')])] },
    { tag: 'sparse-full', layers: [await add([directory('./'), ...sparseFiles('full')])] },
    { tag: 'layers-127', layers: small.slice(0, 127) },
    { tag: 'layers-500', layers: small },
    { tag: 'link-below', layers: [below, await add(linkLayer())] },
    { tag: 'parents-below', layers: [below, await add([file('a/b/new', 'second')])] },
    { tag: 'symlink-below', layers: [below, await add([file('link/new', 'second')])] },
    { tag: 'large-file', layers: [await add(largeLayer())] },
  ]);
}

async function* toAsync(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** Each layer adds a file, changes one that all share, and removes the one that the layer before added, for every third. */
export function* smallLayer(index: number): Generator<TarEntry> {
  yield directory('./', { mtime: `${1_600_000_000 + index}.25` });
  yield directory('shared', { mtime: `${index}` });
  yield file(`shared/${index}`, `layer ${index}`);
  yield file('newest', `layer ${index}`, { mtime: `${index}.5` });
  if (index % 3 === 2) yield file(`shared/.wh.${index - 1}`, '');
}

function* baseLayer(): Generator<TarEntry> {
  yield directory('./', { mode: 0o711, mtime: '11.5' });
  yield directory('a', { mode: 0o700, uid: 3, mtime: '12.5', xattrs: { 'user.a': Buffer.from('1') } });
  yield directory('a/b', { mode: 0o1777, gid: 4, mtime: '13.5' });
  yield file('a/b/old', 'first', { uid: 9, mtime: '14.5' });
  yield directory('real', { mtime: '15.5' });
  yield { name: 'link', type: 'symlink', linkName: 'real', mode: 0o777, mtime: '16.5' };
}

function* linkLayer(): Generator<TarEntry> {
  yield directory('./', { mode: 0o711, mtime: '21.5' });
  yield directory('a', { mode: 0o700, uid: 3, mtime: '22.5', xattrs: { 'user.a': Buffer.from('1') } });
  yield hardLink('a/linked', 'a/b/old', { uid: 9, mtime: '14.5' });
}

function* largeLayer(): Generator<TarEntry> {
  yield directory('./');
  const { path, size, parts } = LARGE;
  yield { name: path, type: 'file', sparse: { size, parts, format: 'pax-1.0' } };
}
