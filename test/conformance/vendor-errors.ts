import { GATEWAY } from './row.ts';
import type { VendorError } from './vendor-error.ts';
import { GATEWAY_ERRORS } from './vendor-gateway-errors.ts';

const ARREARS: VendorError = {
  status: 400,
  code: 'Account.Arrearage',
  message: 'Your account has an outstanding payment.',
};
const DRY_RUN: VendorError = {
  status: 400,
  code: 'DryRunOperation',
  message: 'Request validation has been passed with DryRun flag set.',
};
const NOT_ENABLED: VendorError = { status: 400, code: 'ServiceNotEnabled', message: '%s' };
const SUB_USER: VendorError = {
  status: 403,
  code: 'Forbidden.SubUser',
  message: 'The specified action is not available for you.',
};
const BUSINESS: VendorError = {
  status: 403,
  code: 'Forbidden.UserBussinessStatus',
  message: 'This operation is not allowed, because you have overdue bills. Pay the overdue bill and try again.',
};
const REAL_NAME: VendorError = {
  status: 403,
  code: 'Forbidden.UserNotRealNameAuthentication',
  message: 'This operation is not allowed, because you have not passed the real-name verification.',
};

const NO_INSTANCE = 'no instance of the vendor’s is bought to build a cache';
const NO_NETWORK = 'there is no vSwitch, zone or security group';
const ONE_TRANSACTION = 'changes of a cache come one after the other';

/** What can befall the instance that the vendor builds a cache with; in the tables of Create and Update. */
const INSTANCE: readonly VendorError[] = [
  {
    status: 400,
    code: 'InvalidParameter.CPU.Memory',
    message: 'The specified cpu and memory are not allowed',
    never: NO_INSTANCE,
  },
  {
    status: 400,
    code: 'IncorrectStatus',
    message: '%s',
    never: 'a wrong state is the more exact ImageCache.IncorrectStatus',
  },
  { status: 400, code: 'DiskVolume.NotSupport', message: 'The disk volume is not supported.', never: NO_INSTANCE },
  { status: 400, code: 'RamRole.NotSupport', message: 'The RAM role is not supported.', never: NO_INSTANCE },
  {
    status: 400,
    code: 'ImageCacheNotSupport',
    message: 'Image cache is not available for all users. If you want to enable this function, contact us.',
    never: 'whoever has a key has image caches',
  },
  {
    status: 403,
    code: 'OperationDenied.VswZoneMisMatch',
    message: 'The specified VSwitchId is not in the specified Zone.',
    never: NO_NETWORK,
  },
  {
    status: 403,
    code: 'Zone.NotOnSale',
    message: 'The specified zone is not available for purchase.',
    never: NO_NETWORK,
  },
  {
    status: 403,
    code: 'Forbidden.RiskControl',
    message: 'This operation has been identified as an abnormal operation and cannot be processed.',
    never: 'nothing is sold, so nobody guards against fraud',
  },
  {
    status: 403,
    code: 'Forbidden.OnlyForInvitedTest',
    message: 'Eci create action is only open to invited users during public beta.',
    never: 'there is no beta for invited users',
  },
  {
    status: 403,
    code: 'OperationDenied.SecurityGroupMisMatch',
    message: 'The specified VSwitchId and SecurityGroupId are not in the same VPC.',
    never: NO_NETWORK,
  },
  {
    status: 403,
    code: 'InvalidVSwitchId.IpNotEnough',
    message: 'The specified VSwitch does not have enough IP addresses.',
    never: NO_NETWORK,
  },
  {
    status: 403,
    code: 'InvalidUser.PassRoleForbidden',
    message: 'The RAM user is not authorized to assume a RAM role.',
    never: NO_INSTANCE,
  },
  {
    status: 403,
    code: 'OperationDenied.NoStock',
    message:
      'Sales of this resource are temporarily suspended in the specified zone. We recommend that you use the multi-zone creation function to avoid the risk of insufficient resource. For more information, see https://help.aliyun.com/document_detail/157290.html',
    never: NO_INSTANCE,
  },
  {
    status: 403,
    code: 'NoPermission',
    message:
      'The RAM role AliyunECIContainerGroupRole does not belong to eci.aliyuncs.com. Please check and try again.',
    never: 'builds take no role; a refusal of RAM has a text of its own',
  },
  {
    status: 403,
    code: 'SecurityRisk.3DVerification',
    message:
      'We have detected a security risk with your default credit or debit card. Please proceed with verification via the link in your email.',
    never: 'nobody pays by card',
  },
  {
    status: 403,
    code: 'CreateServiceLinkedRole.Denied',
    message: 'Please make sure the account has ram:CreateServiceLinkedRole permission.',
    never: 'no service-linked role is made',
  },
];

/** What the state of an account answers, and a dry run: on every page, the oldest among them. */
export const ACCOUNT_ERRORS: readonly VendorError[] = [ARREARS, DRY_RUN, NOT_ENABLED, SUB_USER, BUSINESS, REAL_NAME];

const TAGS: readonly VendorError[] = [
  { status: 400, code: 'IncorrectStatus', message: '%s', never: 'tags can be changed in every state' },
  {
    status: 400,
    code: 'OperationConflict',
    message: 'Request was denied due to conflict with a previous request.',
    never: ONE_TRANSACTION,
  },
  {
    status: 400,
    code: 'NoPermission.Tag',
    message: 'No permissions to operate tags.',
    never: 'RAM refuses with NoPermission and says why',
  },
];
const TOO_MANY_TAGS: VendorError = {
  status: 400,
  code: 'NumberExceed.Tags',
  message: 'The length of tags exceeded limit: 20.',
};

/** The vendor's tables of errors by operation, and of the gateway. */
export const VENDOR_ERRORS: Readonly<Record<string, readonly VendorError[]>> = {
  CreateImageCache: [
    ...ACCOUNT_ERRORS,
    ...INSTANCE,
    {
      status: 400,
      code: 'ImageCache.IncorrectStatus',
      message: '%s',
      never: 'a cache that is made has no state before',
    },
    {
      status: 400,
      code: 'EipAddressPoolIpNotEnough',
      message: 'The ip address of specified PublicIpAddressPool is not enough.',
      never: NO_NETWORK,
    },
    {
      status: 400,
      code: 'OperationConflict',
      message: 'The request was denied. It conflicts with a previous request.',
      never: ONE_TRANSACTION,
    },
    { status: 403, code: 'QuotaExceeded', message: '%s quota exceeded.' },
  ],
  UpdateImageCache: [
    ...ACCOUNT_ERRORS,
    ...INSTANCE,
    { status: 400, code: 'ImageCache.IncorrectStatus', message: '%s' },
    {
      status: 400,
      code: 'NoNeedUpdate',
      message: 'There are no changes to be updated for current resource.',
    },
    {
      status: 400,
      code: 'OperationConflict',
      message: 'Request was denied due to conflict with a previous request.',
      never: ONE_TRANSACTION,
    },
    {
      status: 403,
      code: 'QuotaExceeded',
      message: '%s quota exceeded.',
      never: 'an update adds no cache',
    },
  ],
  DescribeImageCaches: [
    ...ACCOUNT_ERRORS,
    {
      status: 403,
      code: 'NoPermission',
      message: 'The RAM role does not belong to ECS.',
      never: 'no role is assumed; a refusal of RAM has a text of its own',
    },
  ],
  TagResources: [...TAGS, TOO_MANY_TAGS],
  UntagResources: [...TAGS, TOO_MANY_TAGS],
  ListTagResources: [...TAGS.filter(({ code }) => code === 'NoPermission.Tag'), TOO_MANY_TAGS],
  [GATEWAY]: GATEWAY_ERRORS,
};
