export { ACCOUNT_STATES, isAccountState } from '../accounts/index.ts';
export * from './admin-accounts.ts';
export * from './admin-ram.ts';
export { type CheckOptions, checkData, type DataCheck, type Problem } from './check-data.ts';
export { type Diagnosis, openDiagnosis } from './diagnosis.ts';
export { type Admin, openAdmin } from './open-admin.ts';
export { openUpkeep, type Upkeep } from './open-upkeep.ts';
export { type RunningServer, startServer } from './start-server.ts';
export * from './upkeep-commands.ts';
