/**
 * The vendor's tables of errors, status and text as they stand there (`%s` is text of the service). `never` says why this
 * service does not raise one: it is about something that only the vendor's cloud has.
 */
export type VendorError = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly never?: string;
};

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
  UntagResources: [...TAGS, { ...TOO_MANY_TAGS, never: 'taking tags off never makes them too many' }],
  ListTagResources: [
    ...TAGS.filter(({ code }) => code === 'NoPermission.Tag'),
    { ...TOO_MANY_TAGS, never: 'a list changes no tags; a filter with too many of them is a list that is too long' },
  ],
  Gateway: [
    { status: 400, code: 'MissingAccessKeyId', message: 'AccessKeyId is mandatory for this action.' },
    { status: 400, code: 'Missing{Param}', message: '%s is mandatory for this action.' },
    { status: 400, code: 'Invalid{Param}', message: 'Specified parameter %s is not valid.' },
    {
      status: 404,
      code: 'InvalidApi.NotFound',
      message: 'Specified api is not found, please check your url and method.',
    },
    {
      status: 404,
      code: 'InvalidAction.NotFound',
      message: 'Specified api is not found, please check your url and method.',
      never: 'the pages of this service call the same refusal InvalidApi.NotFound',
    },
    { status: 400, code: 'InvalidVersion', message: 'Specified parameter Version is not valid.' },
    {
      status: 404,
      code: 'InvalidProduct.NotFound',
      message: 'Cannot find product according to your specified domain.',
      never: 'one service answers under every name',
    },
    {
      status: 400,
      code: 'InvalidProtocol.NeedSsl',
      message: 'Your request is denied as lack of ssl protect.',
      never: 'TLS ends in front of the server, and plain http is served',
    },
    { status: 400, code: 'UnsupportedHTTPMethod', message: 'This http method is not supported.' },
    { status: 400, code: 'InvalidParameter.Format', message: 'Specified parameter format is not valid.' },
    { status: 400, code: 'InvalidParameter.Accept', message: 'Specified parameter accept is not valid.' },
    { status: 404, code: 'InvalidAccessKeyId.NotFound', message: 'Specified access key is not found.' },
    {
      status: 404,
      code: 'InvalidAccessKeyId',
      message: 'Specified access key is not found or invalid.',
      never: 'a newer form that some products have; this is InvalidAccessKeyId.NotFound',
    },
    { status: 400, code: 'InvalidAccessKeyId.Inactive', message: 'Specified access key is disabled.' },
    {
      status: 403,
      code: 'Forbidden.AccessKeyDisabled',
      message: 'The Access Key is disabled.',
      never: 'the gateway says InvalidAccessKeyId.Inactive before the service is asked',
    },
    {
      status: 400,
      code: 'InvalidTimeStamp.Format',
      message: 'Specified time stamp or date value is not well formatted.',
    },
    { status: 400, code: 'InvalidTimeStamp.Expired', message: 'Specified time stamp or date value is expired.' },
    { status: 400, code: 'SignatureNonceUsed', message: 'Specified signature nonce was used already.' },
    { status: 400, code: 'InvalidSignatureMethod', message: 'Specified signature method is not valid.' },
    {
      status: 400,
      code: 'SignatureDoesNotMatch',
      message: 'Specified signature is not matched with our calculation. server string to sign is:%s',
    },
    {
      status: 400,
      code: 'SignatureDoesNotMatch',
      message:
        'Specified signature does not match our calculation. server StringToSign is [%s] server CanonicalRequest is [%s]',
    },
    {
      status: 400,
      code: 'IncompleteSignature',
      message: 'The request signature does not conform to Aliyun standards.',
    },
    { status: 400, code: 'InvalidSecurityToken.Malformed', message: 'Specified SecurityToken is malformed.' },
    { status: 400, code: 'InvalidSecurityToken.Expired', message: 'Specified SecurityToken is expired.' },
    {
      status: 400,
      code: 'InvalidSecurityToken.MismatchWithAccessKey',
      message: 'Specified SecurityToken mismatch with the AccessKey.',
    },
    { status: 400, code: 'MissingSecurityToken', message: 'SecurityToken is mandatory for this action.' },
    {
      status: 400,
      code: 'Throttling.User',
      message: 'Request was denied due to user flow control.',
      never: 'this server has no flow control',
    },
    {
      status: 400,
      code: 'Throttling.Api',
      message: 'Request was denied due to api flow control.',
      never: 'of RPC calls; the stream of events answers it when too many are open',
    },
    {
      status: 400,
      code: 'Throttling',
      message: 'Request was denied due to request throttling.',
      never: 'this server has no flow control',
    },
    {
      status: 403,
      code: 'NoPermission',
      message: 'You are not authorized to do this action. Resource: %s Action: %s',
    },
    {
      status: 403,
      code: 'Forbidden.RAM',
      message: "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
      never: 'a refusal of RAM is NoPermission, with the reason',
    },
    {
      status: 400,
      code: 'InvalidRegion.NotFound',
      message: 'The specified region does not exist.',
      never: 'every region is a namespace',
    },
    {
      status: 404,
      code: 'InvalidRegionId.NotFound',
      message: 'The specified RegionId does not exist.',
      never: 'every region is a namespace',
    },
    {
      status: 500,
      code: 'InternalError',
      message: 'The request processing has failed due to some unknown error.',
      never: 'by anything a caller can send; src/rpc/handler.test.ts shows it',
    },
    {
      status: 503,
      code: 'ServiceUnavailable',
      message: 'The request has failed due to a temporary failure of the server.',
      never: 'by anything a caller can send; it answers while the server stops (src/rpc/handler.test.ts)',
    },
    {
      status: 400,
      code: 'UnknownError',
      message: 'The request processing has failed due to some unknown error.',
      never: 'failures of the server are InternalError',
    },
  ],
};
