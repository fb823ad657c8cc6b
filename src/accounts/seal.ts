import { createCipheriv, createDecipheriv } from 'node:crypto';
import { LarderError } from '../lib/errors.ts';
import type { RandomBytes } from '../lib/ids.ts';

export const SEAL_KEY_BYTES = 32;
const PREFIX = 'larder:v1:';
// NIST SP 800-38D: 96-bit IVs, random ones for at most 2^32 messages under one key; full-length tags.
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Keeps texts secret and unchanged where others may read or write them. */
export type Sealer = {
  /** The sealed text, printable: `larder:v1:` and base64url. */
  seal(text: string): string;
  /** Throws `accounts.seal-broken` when the text was changed, or sealed with another key or for another purpose. */
  open(sealed: string): string;
};

/**
 * Seals with AES-256-GCM. `purpose` is bound in as associated data, so that what was sealed for one place
 * (say, an access key) does not open in another.
 */
export function createSealer(key: Uint8Array, purpose: string, randomBytes: RandomBytes): Sealer {
  if (key.length !== SEAL_KEY_BYTES) {
    throw new LarderError('accounts.seal-key', `the key has ${key.length} bytes; it must have ${SEAL_KEY_BYTES}`);
  }
  const associated = Buffer.from(PREFIX + purpose, 'utf8');

  return {
    seal(text) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(associated);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return PREFIX + Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64url');
    },

    open(sealed) {
      try {
        const bytes = sealedBytes(sealed);
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(associated);
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
        return decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
      } catch (cause) {
        const message = 'a sealed secret does not open: it was changed, or sealed with another key';
        throw new LarderError('accounts.seal-broken', message, { cause });
      }
    },
  };
}

/** The bytes of the one spelling that `seal` gives; Node's decoder alone would let junk and loose last bits pass. */
function sealedBytes(sealed: string): Buffer {
  const text = sealed.startsWith(PREFIX) ? sealed.slice(PREFIX.length) : '';
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text || bytes.length < IV_BYTES + TAG_BYTES) throw new Error('not a sealed text');
  return bytes;
}
