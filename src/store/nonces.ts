import { hash } from 'node:crypto';
import { type Fingerprint, FingerprintSet } from './fingerprint-set.ts';
import { createNonceLog } from './nonce-log.ts';
import type { NonceStore } from './ports.ts';

const MINUTE_MS = 60_000;
/** Nonces that the disk did not take and that are still offered to it: those of some minutes of calls. */
const MAX_UNWRITTEN = 1_000_000;

/**
 * Nonces in memory, and in a log of their own so that they outlive the process. In the database each took longer than all the
 * rest of a call, and made it wait for the disk now and then (bench/api.ts).
 *
 * Of a nonce 64 bits of a hash are kept: with 9 million of them, half an hour of 5,000 calls a second, one of 2 · 10¹² new nonces is
 * taken for one of them, and its caller, who was refused, tries again with another. The nonces of a minute go together.
 *
 * A disk that is full or read-only refuses no call: what could not be written is kept in memory and written once it can be.
 */
export function createNonceStore(path: string): NonceStore & { close(): void } {
  const minutes = new Map<number, FingerprintSet>();
  const log = createNonceLog(path);
  let isLoaded = false;
  let unwritten: { minute: number; fingerprint: Fingerprint }[] = [];

  function add(minute: number, fingerprint: Fingerprint): void {
    const set = minutes.get(minute) ?? new FingerprintSet();
    minutes.set(minute, set);
    set.add(fingerprint);
  }

  function write(nowMinute: number): void {
    let written = 0;
    try {
      for (const nonce of unwritten) {
        log.append(nonce.minute, nonce.fingerprint, nowMinute);
        written++;
      }
      unwritten = [];
    } catch {
      // Until this process ends, memory is enough; whatever else needs the disk says what is the matter with it.
      unwritten = unwritten.slice(Math.max(written, unwritten.length - MAX_UNWRITTEN));
    }
  }

  /** At the first nonce, not before: other programs open the store too, and remember none. */
  function load(nowMinute: number): void {
    log.load((minute, fingerprint) => {
      if (minute > nowMinute) add(minute, fingerprint);
    });
    isLoaded = true;
  }

  return {
    async remember(accessKeyId, nonce, expiresAtMs, nowMs) {
      const nowMinute = Math.floor(nowMs / MINUTE_MS);
      if (!isLoaded) load(nowMinute);
      const fingerprint = fingerprintOf(accessKeyId, nonce);
      for (const [minute, set] of minutes) {
        if (minute <= nowMinute) minutes.delete(minute);
        else if (set.has(fingerprint)) return false;
      }
      const minute = Math.ceil(expiresAtMs / MINUTE_MS);
      add(minute, fingerprint);
      unwritten.push({ minute, fingerprint });
      write(nowMinute);
      return true;
    },
    close: () => log.close(),
  };
}

function fingerprintOf(accessKeyId: string, nonce: string): Fingerprint {
  // As text of one byte a character, which takes a third of the time of a Buffer (bench/api.ts).
  const digest = hash('sha1', `${accessKeyId} ${nonce}`, 'binary');
  return [wordAt(digest, 0), wordAt(digest, 4)];
}

/** 32 bits, unsigned, the lowest byte first. */
function wordAt(bytes: string, from: number): number {
  const byte = (index: number) => bytes.charCodeAt(from + index);
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
}
