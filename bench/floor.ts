/**
 * The least that any honest build must do with the layers of an image: fetch, sha256, inflate, sha256, write, fsync; no tar,
 * no file system. Run by bench/build.ts as `node bench/floor.ts FOLDER igzip|node URL…`.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { request } from 'undici';

const CHUNK_BYTES = 256 << 10;
const [folder = '', inflater, ...urls] = process.argv.slice(2);

async function layer(url: string, index: number): Promise<void> {
  const { body, statusCode } = await request(url);
  if (statusCode !== 200) throw new Error(`${url}: ${statusCode}`);
  const packed = createHash('sha256');
  const plain = createHash('sha256');
  const file = await open(join(folder, `layer-${index}`), 'w');
  async function* hashed() {
    for await (const chunk of body) {
      packed.update(chunk);
      yield chunk;
    }
  }
  async function store(tar: AsyncIterable<Uint8Array>) {
    for await (const chunk of tar) {
      plain.update(chunk);
      await file.write(chunk);
    }
  }
  if (inflater === 'igzip') {
    const child = spawn('igzip', ['-d', '-c'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await Promise.all([pipeline(hashed, child.stdin), store(child.stdout), once(child, 'close')]);
  } else {
    await pipeline(hashed, createGunzip({ chunkSize: CHUNK_BYTES }), store);
  }
  packed.digest();
  plain.digest();
  await file.sync();
  await file.close();
}

await Promise.all(urls.map(layer));
