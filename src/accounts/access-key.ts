import { LarderError } from '../lib/errors.ts';
import { type RandomBytes, randomAlphanumeric } from '../lib/ids.ts';

/** Lets people and secret scanners tell Larder's keys from the vendor's `LTAI…`. */
const ID_PREFIX = 'LRDR';
const ID_RANDOM_LENGTH = 20;
/** 36^40 is about 2^206. */
const SECRET_LENGTH = 40;

/** AccessKeyId of the RAM API, with the `.`, `_`, `-` of temporary keys (`STS.…`); short ones are taken so that test setups can keep theirs. */
const ID_PATTERN = /^[A-Za-z0-9._-]{4,128}$/;
/** Printable ASCII without spaces: it must survive an environment variable and a configuration file. */
const SECRET_PATTERN = /^[\x21-\x7e]{8,256}$/;

/** What a client signs its requests with; the secret is in clear here and sealed wherever it is kept. */
export type AccessKeyPair = { readonly id: string; readonly secret: string };

export function newAccessKeyPair(randomBytes: RandomBytes): AccessKeyPair {
  return {
    id: ID_PREFIX + randomAlphanumeric(ID_RANDOM_LENGTH, randomBytes),
    secret: randomAlphanumeric(SECRET_LENGTH, randomBytes),
  };
}

/** A key pair that an operator chose. Throws `accounts.access-key` when it has not the form of one. */
export function parseAccessKeyPair(id: string, secret: string): AccessKeyPair {
  if (!ID_PATTERN.test(id)) {
    throw new LarderError(
      'accounts.access-key',
      'an access key id is 4 to 128 letters, digits, dots, dashes or underscores',
    );
  }
  if (!SECRET_PATTERN.test(secret)) {
    throw new LarderError(
      'accounts.access-key',
      'an access key secret is 8 to 256 printable characters without spaces',
    );
  }
  return { id, secret };
}
