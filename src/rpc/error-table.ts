/**
 * Every error the API can answer: one row each, status first. `{Name}` in a code or message is filled in when the error is
 * thrown; the vendor's tables write `%s` there.
 *
 * Codes and texts are the vendor's. Where it publishes a code without its text, the text is that of its other services or, for
 * parameters (`InvalidParameter` and its kin), says what is wrong.
 *
 * The key is the code. Where the vendor documents one code with several messages or statuses, the further rows have a suffix
 * after a colon, which is not part of the code: `NoPermission:RamRole` answers `NoPermission`.
 */
export const ERRORS = {
  // The gateway's own checks, before the service sees the call.
  UnsupportedHTTPMethod: [400, 'This http method is not supported.'],
  'InvalidProtocol.NeedSsl': [400, 'Your request is denied as lack of ssl protect.'],
  'InvalidParameter.Format': [400, 'Specified parameter format is not valid.'],
  InvalidFormat: [400, 'Specified parameter format is not valid.'],
  'InvalidParameter.Accept': [400, 'Specified parameter accept is not valid.'],
  'InvalidProduct.NotFound': [404, 'Cannot find product according to your specified domain.'],
  InvalidVersion: [400, 'Specified parameter Version is not valid.'],
  NoSuchVersion: [400, 'The specified version does not exist.'],
  'InvalidApi.NotFound': [404, 'Specified api is not found, please check your url and method.'],
  'InvalidAction.NotFound': [404, 'Specified api is not found, please check your url and method.'],
  UnsupportedOperation: [400, 'The specified action is not supported.'],
  MissingAccessKeyId: [400, 'AccessKeyId is mandatory for this action.'],
  'Missing{Param}': [400, '{Param} is mandatory for this action.'],
  'Invalid{Param}': [400, 'Specified parameter {Param} is not valid.'],
  'InvalidTimeStamp.Format': [400, 'Specified time stamp or date value is not well formatted.'],
  'InvalidTimeStamp.Expired': [400, 'Specified time stamp or date value is expired.'],
  IllegalTimestamp: [
    400,
    'The input parameter "Timestamp" that is mandatory for processing this request is not supplied.',
  ],
  'InvalidAccessKeyId.NotFound': [404, 'Specified access key is not found.'],
  InvalidAccessKeyId: [404, 'Specified access key is not found or invalid.'],
  'InvalidAccessKeyId.Inactive': [400, 'Specified access key is disabled.'],
  'Forbidden.AccessKeyDisabled': [403, 'The Access Key is disabled.'],
  MissingSecurityToken: [400, 'SecurityToken is mandatory for this action.'],
  'InvalidSecurityToken.Malformed': [400, 'Specified SecurityToken is malformed.'],
  'InvalidSecurityToken.Expired': [400, 'Specified SecurityToken is expired.'],
  'InvalidSecurityToken.MismatchWithAccessKey': [400, 'Specified SecurityToken mismatch with the AccessKey.'],
  InvalidSignatureMethod: [400, 'Specified signature method is not valid.'],
  IncompleteSignature: [400, 'The request signature does not conform to Aliyun standards.'],
  SignatureNonceUsed: [400, 'Specified signature nonce was used already.'],
  // Clients compare what follows `server string to sign is:`, to the end of the message, with their own string.
  'SignatureDoesNotMatch:V1': [
    400,
    'Specified signature is not matched with our calculation. server string to sign is:{StringToSign}',
  ],
  'SignatureDoesNotMatch:V3': [
    400,
    'Specified signature does not match our calculation. server StringToSign is [{StringToSign}] server CanonicalRequest is [{CanonicalRequest}]',
  ],
  ContentMD5NotMatched: [400, 'Specified content md5 is not matched with the content.'],
  ContentLengthDoesNotMatch: [400, 'Specified content length does not match the content.'],
  'Throttling.User': [400, 'Request was denied due to user flow control.'],
  'Throttling.Api': [400, 'Request was denied due to api flow control.'],
  Throttling: [400, 'Request was denied due to request throttling.'],
  NoPermission: [403, 'You are not authorized to do this action. Resource: {Resource} Action: {Action}'],
  'Forbidden.RAM': [403, "User not authorized to operate on the specified resource, or this API doesn't support RAM."],
  'InvalidRegion.NotFound': [400, 'The specified region does not exist.'],
  'InvalidRegionId.NotFound:Gateway': [400, 'The specified RegionId does not exist.'],
  'InvalidRegionId.NotFound': [404, 'The specified RegionId does not exist.'],
  InternalError: [500, 'The request processing has failed due to some unknown error.'],
  ServiceUnavailable: [503, 'The request has failed due to a temporary failure of the server.'],
  UnknownError: [400, 'The request processing has failed due to some unknown error.'],

  // Parameters, as the service checks them.
  InvalidParameter: [400, 'The specified parameter {Param} is invalid, {Reason}.'],
  'InvalidParameter.LengthExceeded': [400, 'The length of parameter {Param} exceeded limit: {Limit}.'],
  'InvalidParameter.ValueExceeded': [400, 'The value of parameter {Param} exceeded limit: {Limit}.'],
  'InvalidParameter.NotFound': [404, 'The specified {Param} {Value} does not exist.'],
  MissingParameter: [
    400,
    'The input parameter "{Param}" that is mandatory for processing this request is not supplied.',
  ],
  'MissingParameter.{Param}': [
    400,
    'The input parameter "{Param}" that is mandatory for processing this request is not supplied.',
  ],
  IdempotentParameterMismatch: [
    400,
    'The request uses the same client token as a previous, but non-identical request.',
  ],
  LastTokenProcessing: [403, 'The last token request is processing.'],
  DryRunOperation: [400, 'Request validation has been passed with DryRun flag set.'],
  'DryRun.Success': [400, 'Request validation has been passed with DryRun flag set.'],

  // The state of the account and its rights.
  'Account.Arrearage': [400, 'Your account has an outstanding payment.'],
  ServiceNotEnabled: [400, '{Text}'],
  'Degrade.Api': [400, 'The specified action is temporarily degraded.'],
  InvalidAction: [403, 'The specified action is not valid.'],
  'Forbidden.NotSupportRAM': [403, 'This operation is forbidden by Aliyun RAM.'],
  'Forbidden.RAM:Service': [
    403,
    'You are not authorized to operate on the specified resource, or this API does not support RAM mode.',
  ],
  'Forbidden.RiskControl': [
    403,
    'This operation has been identified as an abnormal operation and cannot be processed.',
  ],
  'Forbidden.SubUser': [403, 'The specified action is not available for you.'],
  'Forbidden.OnlyForInvitedTest': [403, 'Eci create action is only open to invited users during public beta.'],
  // Spelt with a double s by the vendor.
  'Forbidden.UserBussinessStatus': [
    403,
    'This operation is not allowed, because you have overdue bills. Pay the overdue bill and try again.',
  ],
  'Forbidden.UserNotRealNameAuthentication': [
    403,
    'This operation is not allowed, because you have not passed the real-name verification.',
  ],
  RealNameAuthenticationError: [403, 'Your account has not passed the real-name authentication yet.'],
  'NoPermission:ContainerGroupRole': [
    403,
    'The RAM role AliyunECIContainerGroupRole does not belong to eci.aliyuncs.com. Please check and try again.',
  ],
  'NoPermission:RamRole': [403, 'The RAM role does not belong to ECS.'],
  'NoPermission.Tag': [400, 'No permissions to operate tags.'],
  'InvalidUser.PassRoleForbidden': [403, 'The RAM user is not authorized to assume a RAM role.'],
  'CreateServiceLinkedRole.Denied': [403, 'Please make sure the account has ram:CreateServiceLinkedRole permission.'],
  'SecurityRisk.3DVerification': [
    403,
    'We have detected a security risk with your default credit or debit card. Please proceed with verification via the link in your email.',
  ],

  // Image caches and what surrounds them.
  IncorrectStatus: [400, '{Text}'],
  'ImageCache.IncorrectStatus': [400, '{Text}'],
  ImageCacheNotSupport: [
    400,
    'Image cache is not available for all users. If you want to enable this function, contact us.',
  ],
  NoNeedUpdate: [400, 'There are no changes to be updated for current resource.'],
  OperationConflict: [400, 'The request was denied. It conflicts with a previous request.'],
  'OperationConflict:Update': [400, 'Request was denied due to conflict with a previous request.'],
  'OperationConflict:Service': [409, 'Request was denied due to conflict with a previous request.'],
  QuotaExceeded: [403, '{Quota} quota exceeded.'],
  'NumberExceed.Tags': [400, 'The length of tags exceeded limit: 20.'],
  'InvalidParameter.CPU.Memory': [400, 'The specified cpu and memory are not allowed'],
  'DiskVolume.NotSupport': [400, 'The disk volume is not supported.'],
  'RamRole.NotSupport': [400, 'The RAM role is not supported.'],
  EipAddressPoolIpNotEnough: [400, 'The ip address of specified PublicIpAddressPool is not enough.'],
  'OperationDenied.VswZoneMisMatch': [403, 'The specified VSwitchId is not in the specified Zone.'],
  'OperationDenied.SecurityGroupMisMatch': [
    403,
    'The specified VSwitchId and SecurityGroupId are not in the same VPC.',
  ],
  'OperationDenied.NoStock': [
    403,
    'Sales of this resource are temporarily suspended in the specified zone. We recommend that you use the multi-zone creation function to avoid the risk of insufficient resource. For more information, see https://help.aliyun.com/document_detail/157290.html',
  ],
  'Zone.NotOnSale': [403, 'The specified zone is not available for purchase.'],
  'InvalidVSwitchId.IpNotEnough': [403, 'The specified VSwitch does not have enough IP addresses.'],
} as const satisfies Readonly<Record<string, readonly [status: number, message: string]>>;
