/**
 * What the vendor's pages name, so that nothing of it is forgotten: the oldest form of the page of DescribeImageCaches, and the
 * newest pages and SDKs of all operations. Names are dot paths without numbers, errors are codes.
 */
import { FIELDS } from './field-types.ts';
import { GATEWAY, type Row } from './row.ts';
import { ACCOUNT_ERRORS, VENDOR_ERRORS } from './vendor-errors.ts';

export type VendorPage = {
  readonly age: 'oldest' | 'newest';
  readonly action: string;
  readonly parameters: readonly string[];
  readonly fields: readonly string[];
  readonly errors: readonly string[];
};

const CREDENTIAL = ['Server', 'UserName', 'Password'].map((name) => `ImageRegistryCredential.${name}`);
const ACR = ['InstanceId', 'InstanceName', 'RegionId', 'Domain'].map((name) => `AcrRegistryInfo.${name}`);
const TAG = ['Tag.Key', 'Tag.Value'];
const COMMON_CHANGE = [
  'RegionId',
  'ImageCacheName',
  'Image',
  'SecurityGroupId',
  'VSwitchId',
  'EipInstanceId',
  'ResourceGroupId',
  'ClientToken',
  'ImageCacheSize',
  'RetentionDays',
  'AutoMatchImageCache',
  'Flash',
  'StandardCopyCount',
  'FlashCopyCount',
  'EliminationStrategy',
  ...CREDENTIAL,
  ...ACR,
  ...TAG,
];
const DESCRIBE_OLDEST = [
  'RegionId',
  'ImageCacheId',
  'ImageCacheName',
  'SnapshotId',
  'Image',
  ...TAG,
  'ResourceGroupId',
];

const NEWEST_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  CreateImageCache: [
    ...COMMON_CHANGE,
    'ZoneId',
    'OsType',
    'PlainHttpRegistry',
    'InsecureRegistry',
    'Annotations',
    'AcrRegistryInfo.ArnService',
    'AcrRegistryInfo.ArnUser',
  ],
  UpdateImageCache: ['ImageCacheId', ...COMMON_CHANGE],
  DeleteImageCache: ['RegionId', 'ImageCacheId', 'ClientToken'],
  DescribeImageCaches: [
    ...DESCRIBE_OLDEST,
    'MatchImage',
    'ImageFullMatch',
    'ImageMatchCountRequest',
    'Limit',
    'NextToken',
  ],
  TagResources: ['RegionId', 'ResourceType', 'ResourceId', ...TAG],
  UntagResources: ['RegionId', 'ResourceType', 'ResourceId', 'TagKey', 'All', 'ClientToken'],
  ListTagResources: ['RegionId', 'ResourceType', 'ResourceId', ...TAG, 'Limit', 'NextToken'],
  ListUsage: ['RegionId'],
  DescribeRegions: ['RegionId'],
  DescribeEndpoints: ['Id', 'ServiceCode', 'Type'],
  // Common parameters, the headers of V3, and what old clients send with every call.
  [GATEWAY]: [
    'Action',
    'Version',
    'Format',
    'AccessKeyId',
    'SignatureMethod',
    'SignatureVersion',
    'SignatureType',
    'SignatureNonce',
    'Timestamp',
    'Signature',
    'SecurityToken',
    'SourceIp',
    'SecureTransport',
    'OwnerId',
    'OwnerAccount',
    'ResourceOwnerId',
    'ResourceOwnerAccount',
    'VkClientVersion',
    'x-acs-action',
    'x-acs-version',
    'x-acs-date',
    'x-acs-signature-nonce',
    'x-acs-content-sha256',
    'x-acs-security-token',
    'Authorization',
    'Accept',
  ],
};

export const OLDEST_PAGE: VendorPage = {
  age: 'oldest',
  action: 'DescribeImageCaches',
  parameters: DESCRIBE_OLDEST,
  fields: FIELDS.DescribeImageCaches?.oldest ?? [],
  errors: ACCOUNT_ERRORS.map(({ code }) => code),
};

export const VENDOR_PAGES: readonly VendorPage[] = [
  OLDEST_PAGE,
  ...Object.entries(NEWEST_PARAMETERS).map(
    ([action, parameters]): VendorPage => ({
      age: 'newest',
      action,
      parameters,
      fields: Object.keys(FIELDS[action]?.newest ?? {}),
      errors: (VENDOR_ERRORS[action] ?? []).map(({ code }) => code),
    }),
  ),
];

/** On which of the vendor's pages a point stands; on none of them what is only ours. */
export function pagesOf({ action, kind, name }: Pick<Row, 'action' | 'kind' | 'name'>): VendorPage['age'][] {
  const lists = { parameter: 'parameters', field: 'fields', error: 'errors' } as const;
  if (kind !== 'parameter' && kind !== 'field' && kind !== 'error') return [];
  return VENDOR_PAGES.filter((page) => page.action === action && page[lists[kind]].includes(name)).map(
    ({ age }) => age,
  );
}
