import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { DEBIAN_APPS, DEBIAN_MINBASE, debianImages } from './debian-images.ts';
import { addLayer, type Layer, writeImages } from './oci-layout.ts';
import { randomNumbers } from './random.ts';
import { type TarEntry, writeTar } from './tar-writer.ts';

export const ONE_LARGE_LAYER = 'one-layer-2g';
export const MANY_SMALL_LAYERS = '40-layers';
/** What `--image` of a benchmark takes. */
export const BENCH_IMAGES = [DEBIAN_MINBASE, DEBIAN_APPS, ONE_LARGE_LAYER, MANY_SMALL_LAYERS] as const;

const LARGE_BYTES = 2 ** 31;
const FILE_BYTES = 1 << 20;
const SMALL_LAYERS = 40;
const FILES_PER_SMALL_LAYER = 200;
/** Of the Node.js that runs this: bytes that compress as programs do. */
const PROGRAM = process.execPath;

/** The OCI layout that holds an image of {@link BENCH_IMAGES} under its name as the tag; made at the first use, and kept. */
export async function benchImage(name: string, log: (line: string) => void = console.error): Promise<string> {
  if (name === DEBIAN_APPS || name === DEBIAN_MINBASE) return debianImages(log);
  const layout = join(cacheFolder(), `bench-${name}-1`);
  if (existsSync(layout)) return layout;
  log(`making ${name}`);
  const temporary = `${layout}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  const layers: Layer[] = [];
  if (name === ONE_LARGE_LAYER) layers.push(await addLayer(temporary, largeTar(), 'gzip'));
  else if (name === MANY_SMALL_LAYERS) {
    for (let index = 0; index < SMALL_LAYERS; index++) layers.push(await addLayer(temporary, smallTar(index), 'gzip'));
  } else throw new Error(`no such image; there are: ${BENCH_IMAGES.join(', ')}`);
  await writeImages(temporary, [{ tag: name, layers }]);
  await rename(temporary, layout);
  return layout;
}

/** Files of 1 MiB, each a piece of a program from another offset on. */
async function* largeTar(): AsyncGenerator<Uint8Array> {
  const program = await open(PROGRAM);
  try {
    const { size } = await program.stat();
    const random = randomNumbers(3);
    yield* writeTar([{ name: './', type: 'directory' }]).take(1);
    for (let index = 0; index * FILE_BYTES < LARGE_BYTES; index++) {
      const start = Math.floor(random() * (size - FILE_BYTES));
      const content = Buffer.alloc(FILE_BYTES);
      await program.read(content, 0, FILE_BYTES, start);
      // The archive's end comes once, after the last entry.
      const chunks = [...writeTar([{ name: `file-${index}`, type: 'file', content }])];
      yield* chunks.slice(0, -1);
    }
    yield* writeTar([]);
  } finally {
    await program.close();
  }
}

async function* smallTar(layer: number): AsyncGenerator<Uint8Array> {
  const random = randomNumbers(layer + 10);
  const entries: TarEntry[] = [
    { name: './', type: 'directory' },
    { name: `layer-${layer}/`, type: 'directory' },
  ];
  const part = createReadStream(PROGRAM, { start: layer << 20, end: (layer << 20) + FILE_BYTES - 1 });
  const bytes = Buffer.concat(await Array.fromAsync(part));
  for (let index = 0; index < FILES_PER_SMALL_LAYER; index++) {
    const start = Math.floor(random() * (bytes.length / 2));
    const content = bytes.subarray(start, start + Math.floor(random() * 10_000));
    entries.push({ name: `layer-${layer}/file-${index}`, type: 'file', content });
  }
  yield* writeTar(entries);
}
