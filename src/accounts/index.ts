export { type AccessKeyPair, newAccessKeyPair, parseAccessKeyPair } from './access-key.ts';
export { ACCOUNT_STATES, type AccountState, isAccountState } from './account-state.ts';
export { createSealer, SEAL_KEY_BYTES, type Sealer } from './seal.ts';
