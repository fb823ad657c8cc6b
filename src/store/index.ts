export { openSqliteStore } from './open-sqlite-store.ts';
export type * from './ports.ts';
