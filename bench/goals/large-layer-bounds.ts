import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { PIECE_BYTES } from '../../src/lib/piece-digest.ts';
import { dropCaches } from '../cold-run.ts';
import { runTimed } from '../support/run-timed.ts';
import type { Goal } from './goal.ts';

const CHUNK_BYTES = 256 << 10;
const MB = 1e6;

/**
 * What is in the way of the one large layer: its parts, each alone on a machine that does nothing else. No build is faster
 * than the slowest of them, nor than half of what they take together on two cores.
 */
export async function* largeLayerBounds(layerPath: string, tarBytes: number, folder: string): AsyncGenerator<Goal> {
  const compressedBytes = (await stat(layerPath)).size;
  // Into the page cache: reading is not what is timed.
  await runTimed('bash', ['-c', `cat '${layerPath}' > /dev/null`]);
  const parts = {
    'igzip to nowhere': (await runTimed('bash', ['-c', `igzip -d -c < '${layerPath}' > /dev/null`])).wallMs,
    'node:zlib': await timed(async () => {
      const tar = createReadStream(layerPath, { highWaterMark: CHUNK_BYTES }).pipe(
        createGunzip({ chunkSize: CHUNK_BYTES }),
      );
      for await (const _ of tar);
    }),
    'sha256 of layer, tar and blob': await timed(async () => {
      const piece = Buffer.alloc(PIECE_BYTES, 1);
      const stream = createHash('sha256');
      for (let bytes = 0; bytes < compressedBytes + tarBytes; bytes += PIECE_BYTES) stream.update(piece);
      for (let bytes = 0; bytes < tarBytes; bytes += PIECE_BYTES) hash('sha256', piece, 'buffer');
    }),
    'writing past the page cache, and syncing': await writeMs(tarBytes, folder),
  };
  const texts = Object.entries(parts).map(
    ([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s (${(tarBytes / MB / (ms / 1000)).toFixed(0)} MB/s)`,
  );
  yield { what: 'parts of that layer, each alone', measured: texts.join('; '), goal: '' };
}

async function writeMs(bytes: number, folder: string): Promise<number> {
  await dropCaches();
  const count = Math.ceil(bytes / (2 << 20));
  const path = join(folder, 'zeros');
  const to = [`of=${path}`, 'bs=2M', `count=${count}`, 'oflag=direct', 'conv=fsync'];
  const { wallMs } = await runTimed('dd', ['if=/dev/zero', ...to]);
  await rm(path);
  return wallMs;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
