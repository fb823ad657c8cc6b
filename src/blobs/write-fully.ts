import type { FileHandle } from 'node:fs/promises';
import { LarderError } from '../lib/errors.ts';

/** writev(2) takes at most IOV_MAX buffers, 1024 on Linux. */
const MAX_BUFFERS_PER_WRITE = 1024;

/** Writes all bytes of all buffers, one after the other. Throws `blobs.io`, or the system's error. */
export async function writeFully(file: FileHandle, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let at = position;
  let rest = buffers.filter((buffer) => buffer.byteLength > 0);
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest.slice(0, MAX_BUFFERS_PER_WRITE), at);
    // A disk that takes nothing and reports nothing would keep us here for ever.
    if (bytesWritten === 0) throw new LarderError('blobs.io', 'the disk took no bytes');
    at += bytesWritten;
    rest = withoutFirst(rest, bytesWritten);
  }
}

/** The buffers less their first `bytes` bytes: writev(2) may write any part of what it was given. */
function withoutFirst(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  let index = 0;
  for (; skip > 0; index++) {
    const length = buffers[index]?.byteLength ?? skip;
    if (length > skip) break;
    skip -= length;
  }
  const rest = buffers.slice(index);
  const first = rest[0];
  if (first !== undefined && skip > 0) rest[0] = first.subarray(skip);
  return rest;
}
