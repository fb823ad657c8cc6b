const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Source of randomness as a parameter: that many random bytes. */
export type RandomBytes = (length: number) => Uint8Array;

/** A random string of lower-case letters and digits, unbiased. */
export function randomAlphanumeric(length: number, randomBytes: RandomBytes): string {
  // 252 is the largest multiple of 36 below 256; bytes above it would favour the first letters.
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length * 2)) {
      if (byte < 252 && text.length < length) text += ALPHABET[byte % 36];
    }
  }
  return text;
}

/** Ids of the ECI API: a prefix and 20 lower-case alphanumerics, `imc-2zeditzeoemfhqor4rf8`. */
export const ID_LENGTH = 20;
export type IdPrefix = 'imc' | 'eci' | 's' | 'rg';
export function newId(prefix: IdPrefix, randomBytes: RandomBytes): string {
  return `${prefix}-${randomAlphanumeric(ID_LENGTH, randomBytes)}`;
}
