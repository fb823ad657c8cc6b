/** What runs on the thread of checkpointer.ts: one checkpoint a message, and the end on the one that asks for it. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointRequest } from './checkpointer.ts';

const database = new DatabaseSync(String(workerData));
database.exec('pragma synchronous = full');

parentPort?.on('message', (request: CheckpointRequest) => {
  if (request === 'end') {
    database.close();
    parentPort?.close();
    return;
  }
  try {
    // It waits for nobody, and nobody for it. What another connection keeps from being carried over is left for the next one.
    database.prepare('pragma wal_checkpoint(passive)').get();
  } catch {
    // The log still has what could not be carried over; writers see for themselves what is wrong with the disk.
  }
  parentPort?.postMessage('done');
});
