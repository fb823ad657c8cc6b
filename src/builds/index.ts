export type { BuildServices } from './services.ts';
export { startWorker, type Worker } from './worker.ts';
