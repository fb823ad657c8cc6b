import type { Row } from '../row.ts';
import { accountErrors } from './account-errors.ts';
import { clientTokens } from './client-tokens.ts';
import { createParameters, createResults } from './create-image-cache.ts';
import { deleteImageCache } from './delete-image-cache.ts';
import { describeEndpoints } from './describe-endpoints.ts';
import { describeFields } from './describe-fields.ts';
import { describeImageCaches } from './describe-image-caches.ts';
import { describeMatching } from './describe-matching.ts';
import { describeRegions } from './describe-regions.ts';
import { fields } from './fields.ts';
import { flowControl } from './flow-control.ts';
import { gatewayAccounts } from './gateway-accounts.ts';
import { gatewayErrors } from './gateway-errors.ts';
import { gatewayFormats } from './gateway-formats.ts';
import { gatewayMessages } from './gateway-messages.ts';
import { gatewayOrder } from './gateway-order.ts';
import { gatewayParameters } from './gateway-parameters.ts';
import { gatewaySignatures } from './gateway-signatures.ts';
import { gatewayWire } from './gateway-wire.ts';
import { heldBuilds } from './held-builds.ts';
import { limits } from './limits.ts';
import { listUsage } from './list-usage.ts';
import { registries } from './registries.ts';
import { listTagResources, tagResources, untagResources } from './tag-operations.ts';
import { updateErrors, updateParameters } from './update-image-cache.ts';
import { vendorErrors } from './vendor-errors.ts';

/** Every row of the suite, by action. */
export const ROWS: readonly Row[] = [
  ...gatewayWire,
  ...describeImageCaches,
  ...describeFields,
  ...describeMatching,
  ...createParameters,
  ...createResults,
  ...updateParameters,
  ...updateErrors,
  ...heldBuilds,
  ...limits,
  ...registries,
  ...clientTokens,
  ...deleteImageCache,
  ...tagResources,
  ...untagResources,
  ...listTagResources,
  ...listUsage,
  ...describeRegions,
  ...describeEndpoints,
  ...gatewayMessages,
  ...gatewaySignatures,
  ...gatewayAccounts,
  ...gatewayParameters,
  ...gatewayErrors,
  ...gatewayOrder,
  ...flowControl,
  ...gatewayFormats,
  ...fields,
  ...accountErrors,
  ...vendorErrors,
];
