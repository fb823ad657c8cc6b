import { rm } from 'node:fs/promises';
import { run } from './run.ts';

/**
 * Unpacks an image of an OCI layout into the folder `rootfs` with umoci, an implementation that shares nothing with ours:
 * as root, with the owners, devices, xattrs and times of the layers.
 */
export async function umociUnpack(layout: string, tag: string, rootfs: string): Promise<void> {
  await rm(rootfs, { recursive: true, force: true });
  await run('umoci', ['raw', 'unpack', '--image', `${layout}:${tag}`, rootfs]);
}
