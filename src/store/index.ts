export {
  copySqliteStore,
  inspectSqliteStore,
  RESTORING_SUFFIX,
  type SealedText,
  type StoreInspector,
} from './inspect-sqlite.ts';
export { openSqliteStore } from './open-sqlite-store.ts';
export type * from './ports.ts';
export { mayPass } from './sqlite-dialect.ts';
