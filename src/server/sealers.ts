import { createSealer, type Sealer } from '../accounts/index.ts';
import type { RandomBytes } from '../lib/ids.ts';

/** One for each purpose, so that what was sealed for one does not open for another. */
export type Sealers = {
  readonly accessKeys: Sealer;
  readonly registryCredentials: Sealer;
  readonly diagnoses: Sealer;
};

/** The sealers of an installation, from the key in its data folder. */
export function createSealers(key: Uint8Array, randomBytes: RandomBytes): Sealers {
  return {
    accessKeys: createSealer(key, 'access-key', randomBytes),
    registryCredentials: createSealer(key, 'registry-credentials', randomBytes),
    diagnoses: createSealer(key, 'diagnosis', randomBytes),
  };
}
