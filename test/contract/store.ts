import type { Store } from '../../src/store/ports.ts';
import { describeAccountContract } from './store-accounts.ts';
import { describeBuildContract } from './store-builds.ts';
import { describeCatalogContract } from './store-caches.ts';
import { describeCatalogDepthContract } from './store-catalog.ts';
import { describeHealthContract } from './store-health.ts';
import { describeLayerContract } from './store-layers.ts';
import { describeStoreModel } from './store-model.ts';

/** What every Store promises; `open` gives an empty one. */
export function describeStoreContract(name: string, open: () => Promise<Store>): void {
  describeCatalogContract(name, open);
  describeAccountContract(name, open);
  describeCatalogDepthContract(name, open);
  describeBuildContract(name, open);
  describeLayerContract(name, open);
  describeHealthContract(name, open);
  describeStoreModel(name, open);
}
