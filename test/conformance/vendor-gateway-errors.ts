import type { VendorError } from './vendor-error.ts';

/** The vendor's tables of what the gateway refuses before an operation sees the call. */
export const GATEWAY_ERRORS: readonly VendorError[] = [
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
    never: 'a server has plain http or https, never both',
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
    never:
      'by anything a caller can send; it answers while the server stops, its disk fails, or an index for MatchImage takes long to build (test/faults/disk-faults.test.ts)',
  },
  {
    status: 400,
    code: 'UnknownError',
    message: 'The request processing has failed due to some unknown error.',
    never: 'failures of the server are InternalError',
  },
];
