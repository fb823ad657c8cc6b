export { ACCOUNT_STATES, isAccountState } from '../accounts/index.ts';
export * from './admin-accounts.ts';
export * from './admin-ram.ts';
export { type Diagnosis, openDiagnosis } from './diagnosis.ts';
export { type Admin, openAdmin } from './open-admin.ts';
export { type RunningServer, startServer } from './start-server.ts';
