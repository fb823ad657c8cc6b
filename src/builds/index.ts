export { type CareSettings, type Caretaker, startCaretaker } from './caretaker.ts';
export { checkManifest, manifestProblem } from './check-manifest.ts';
export { collectGarbage, type Garbage, type GarbageOptions } from './collect-garbage.ts';
export { createPacer } from './pacer.ts';
export { rebuildLayers } from './rebuild-layers.ts';
export { checkBlob, scrubBlob } from './scrub-blob.ts';
export type { BuildServices, CareServices } from './services.ts';
export { COMMAND_OWNER, checkManifests, releaseDeadLeases } from './startup-check.ts';
export { startWorker, type Worker } from './worker.ts';
