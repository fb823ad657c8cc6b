/**
 * What the vendor's pages name, so that nothing of it is forgotten: the oldest form of the page of DescribeImageCaches and the
 * newest pages and SDKs of all operations. Parameters and fields by dot path without numbers, errors by code.
 */
export type VendorPage = {
  readonly action: string;
  readonly parameters: readonly string[];
  readonly fields: readonly string[];
  readonly errors: readonly string[];
};

const ACCOUNT_ERRORS = [
  'Account.Arrearage',
  'DryRunOperation',
  'ServiceNotEnabled',
  'Forbidden.SubUser',
  'Forbidden.UserBussinessStatus',
  'Forbidden.UserNotRealNameAuthentication',
];

const CHANGE_ERRORS = [
  ...ACCOUNT_ERRORS,
  'InvalidParameter.CPU.Memory',
  'IncorrectStatus',
  'DiskVolume.NotSupport',
  'RamRole.NotSupport',
  'ImageCache.IncorrectStatus',
  'ImageCacheNotSupport',
  'OperationConflict',
  'OperationDenied.VswZoneMisMatch',
  'QuotaExceeded',
  'Zone.NotOnSale',
  'Forbidden.RiskControl',
  'Forbidden.OnlyForInvitedTest',
  'OperationDenied.SecurityGroupMisMatch',
  'InvalidVSwitchId.IpNotEnough',
  'InvalidUser.PassRoleForbidden',
  'OperationDenied.NoStock',
  'NoPermission',
  'SecurityRisk.3DVerification',
  'CreateServiceLinkedRole.Denied',
];

const CACHE_FIELDS = [
  'ContainerGroupId',
  'CreationTime',
  'Events',
  'Events.Count',
  'Events.FirstTimestamp',
  'Events.LastTimestamp',
  'Events.Message',
  'Events.Name',
  'Events.Type',
  'ExpireDateTime',
  'ImageCacheId',
  'ImageCacheName',
  'ImageCacheSize',
  'Images',
  'Progress',
  'RegionId',
  'ResourceGroupId',
  'SnapshotId',
  'Status',
  'Tags',
  'Tags.Key',
  'Tags.Value',
];
const LATER_CACHE_FIELDS = ['EliminationStrategy', 'Events.Reason', 'FlashSnapshotId', 'LastMatchedTime'];
const inCaches = (fields: readonly string[]) => fields.map((field) => `ImageCaches.${field}`);

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

export const OLDEST_PAGE: VendorPage = {
  action: 'DescribeImageCaches',
  parameters: ['RegionId', 'ImageCacheId', 'ImageCacheName', 'SnapshotId', 'Image', ...TAG, 'ResourceGroupId'],
  fields: ['ImageCaches', ...inCaches(CACHE_FIELDS)],
  errors: ACCOUNT_ERRORS,
};

export const NEWEST_PAGES: readonly VendorPage[] = [
  {
    action: 'CreateImageCache',
    parameters: [
      ...COMMON_CHANGE,
      'ZoneId',
      'OsType',
      'PlainHttpRegistry',
      'InsecureRegistry',
      'AcrRegistryInfo.ArnService',
      'AcrRegistryInfo.ArnUser',
    ],
    fields: ['ImageCacheId', 'ContainerGroupId'],
    errors: [...CHANGE_ERRORS, 'EipAddressPoolIpNotEnough'],
  },
  {
    action: 'UpdateImageCache',
    parameters: ['ImageCacheId', ...COMMON_CHANGE],
    fields: [],
    errors: [...CHANGE_ERRORS, 'NoNeedUpdate'],
  },
  { action: 'DeleteImageCache', parameters: ['RegionId', 'ImageCacheId', 'ClientToken'], fields: [], errors: [] },
  {
    action: 'DescribeImageCaches',
    parameters: [
      ...OLDEST_PAGE.parameters,
      'MatchImage',
      'ImageFullMatch',
      'ImageMatchCountRequest',
      'Limit',
      'NextToken',
    ],
    fields: [...OLDEST_PAGE.fields, ...inCaches(LATER_CACHE_FIELDS), 'NextToken', 'TotalCount'],
    errors: [...ACCOUNT_ERRORS, 'NoPermission'],
  },
  {
    action: 'TagResources',
    parameters: ['RegionId', 'ResourceType', 'ResourceId', ...TAG],
    fields: [],
    errors: ['IncorrectStatus', 'OperationConflict', 'NoPermission.Tag', 'NumberExceed.Tags'],
  },
  {
    action: 'UntagResources',
    parameters: ['RegionId', 'ResourceType', 'ResourceId', 'TagKey', 'All', 'ClientToken'],
    fields: [],
    errors: ['IncorrectStatus', 'OperationConflict', 'NoPermission.Tag', 'NumberExceed.Tags'],
  },
  {
    action: 'ListTagResources',
    parameters: ['RegionId', 'ResourceType', 'ResourceId', ...TAG, 'Limit', 'NextToken'],
    fields: [
      'NextToken',
      ...['ResourceType', 'ResourceId', 'TagKey', 'TagValue'].map((name) => `TagResources.${name}`),
    ],
    errors: ['NoPermission.Tag', 'NumberExceed.Tags'],
  },
  {
    action: 'ListUsage',
    parameters: ['RegionId'],
    fields: [
      'MaxImageCacheCount',
      'UsedImageCacheCount',
      'MaxAutoImageCacheCount',
      'UsedAutoImageCacheCount',
      'MaxDataCacheCount',
      'UsedDataCacheCount',
      'MaxCpu',
      'UsedCpu',
    ].map((name) => `Attributes.${name}`),
    errors: [],
  },
  {
    action: 'DescribeRegions',
    parameters: ['RegionId'],
    fields: ['RegionId', 'RegionEndpoint', 'Zones', 'RecommendZones', 'UnavailableZones'].map(
      (name) => `Regions.${name}`,
    ),
    errors: [],
  },
  {
    action: 'DescribeEndpoints',
    parameters: ['Id', 'ServiceCode', 'Type'],
    fields: [
      'Success',
      ...['Endpoint', 'Id', 'Namespace', 'SerivceCode', 'Type', 'Protocols.Protocols'].map(
        (name) => `Endpoints.Endpoint.${name}`,
      ),
    ],
    errors: [],
  },
];
