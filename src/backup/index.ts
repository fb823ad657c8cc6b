export { type RestoreOptions, type RestoreSummary, restoreBackup } from './restore-backup.ts';
export { type BackupOptions, type BackupSummary, writeBackup } from './write-backup.ts';
