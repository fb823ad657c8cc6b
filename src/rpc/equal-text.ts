import { createHash, timingSafeEqual } from 'node:crypto';

/** Compares in a time that tells nothing about where the texts differ, whatever their lengths. */
export function equalText(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
