export { type AccessKeyPair, newAccessKeyPair, parseAccessKeyPair } from './access-key.ts';
export { createSealer, SEAL_KEY_BYTES, type Sealer } from './seal.ts';
