import {
  MAX_COPIES,
  MAX_CREDENTIALS,
  MAX_IMAGES,
  MAX_RETENTION_DAYS,
  MAX_SIZE_GIB,
  MAX_TAG_KEY_LENGTH,
  MAX_TAG_VALUE_LENGTH,
  MAX_TAGS,
  MIN_RETENTION_DAYS,
} from '../caches/index.ts';

/** Parameters that several actions share, each described once. */
export const REGION_ID = {
  type: 'string',
  required: true,
  maxLength: 64,
  doc: 'Region.',
  example: 'cn-hangzhou',
} as const;

export const CLIENT_TOKEN = {
  type: 'string',
  maxLength: 64,
  pattern: /^[\x20-\x7e]*$/,
  doc: 'Makes the request idempotent: unique for each logical request, up to 64 ASCII characters, kept for 24 hours.',
  example: '123e4567-e89b-12d3-a456-426655440000',
} as const;

export const RESOURCE_GROUP_ID = {
  type: 'string',
  maxLength: 64,
  doc: 'Resource group.',
  example: 'rg-2df3isufhi38',
} as const;

const TAG_FIELDS = {
  Key: { type: 'string', doc: 'Tag key, up to 128 characters.', example: 'imc', maxLength: MAX_TAG_KEY_LENGTH },
  Value: {
    type: 'string',
    maxLength: MAX_TAG_VALUE_LENGTH,
    keepEmpty: true,
    doc: 'Tag value, up to 128 characters, may be empty.',
    example: 'test',
  },
} as const;

export const TAGS = {
  type: 'objects',
  maxItems: MAX_TAGS,
  doc: 'Tags of the image cache.',
  fields: TAG_FIELDS,
} as const;

export const TAG_FILTER = {
  type: 'objects',
  maxItems: MAX_TAGS,
  doc: 'Only resources with all of these tags; without a value, any value will do.',
  fields: TAG_FIELDS,
} as const;

/** The wanted tags of a TAG_FILTER; one without a key says nothing. */
export function readTagFilter(tags: readonly { Key: string | undefined; Value: string | undefined }[]) {
  return tags.flatMap(({ Key, Value }) =>
    Key === undefined ? [] : [{ key: Key, ...(Value === undefined ? {} : { value: Value }) }],
  );
}

export const IMAGES = {
  type: 'strings',
  maxItems: MAX_IMAGES,
  maxLength: 512,
  doc: 'References of the images, answered exactly as given.',
  example: 'registry.example.com/eci_open/nginx:1.15.10-perl',
} as const;

export const IMAGE_CACHE_SIZE = {
  type: 'integer',
  min: 1,
  max: MAX_SIZE_GIB,
  doc: 'Size in GiB; smaller than the minimum is raised to it. Images that take more space fail the cache.',
  example: '20',
} as const;

export const RETENTION_DAYS = {
  type: 'integer',
  min: MIN_RETENTION_DAYS,
  max: MAX_RETENTION_DAYS,
  doc: 'Days from creation until the cache is deleted; for ever when absent.',
  example: '7',
} as const;

export const ELIMINATION_STRATEGY = {
  type: 'string',
  values: ['LRU', ''],
  keepEmpty: true,
  doc: 'LRU: may be removed when the quota is reached, the least recently used first. Empty: it is kept.',
  example: 'LRU',
} as const;

/** Why a parameter has no effect. */
export const ELSEWHERE = 'Names something of the vendor’s cloud; accepted and without effect here.';

const COPY_COUNT = {
  type: 'integer',
  min: 1,
  max: MAX_COPIES,
  ignored: true,
  doc: 'Copies of a snapshot; every node reads the one copy here.',
  example: '1',
} as const;

/** What creating and updating take and do nothing with. */
export const WITHOUT_EFFECT = {
  AutoMatchImageCache: { type: 'boolean', ignored: true, doc: 'Reuse of layers of other caches; always on here.' },
  Flash: { type: 'boolean', ignored: true, doc: 'Instant cache; every cache is one here.' },
  StandardCopyCount: COPY_COUNT,
  FlashCopyCount: COPY_COUNT,
  SecurityGroupId: { type: 'string', maxLength: 128, ignored: true, doc: ELSEWHERE },
  VSwitchId: { type: 'string', maxLength: 1024, ignored: true, doc: `${ELSEWHERE} Up to 10, comma separated.` },
  EipInstanceId: { type: 'string', maxLength: 128, ignored: true, doc: ELSEWHERE },
} as const;

export const IMAGE_REGISTRY_CREDENTIAL = {
  type: 'objects',
  maxItems: MAX_CREDENTIALS,
  doc: 'Logins of registries; kept sealed until the build ends. One that lacks a field counts for nothing.',
  fields: {
    Server: {
      type: 'string',
      maxLength: 255,
      doc: 'host or host:port, without a scheme.',
      example: 'registry.example.com',
    },
    UserName: { type: 'string', maxLength: 1024, doc: 'User name.' },
    Password: { type: 'string', maxLength: 16_384, doc: 'Password or token.' },
  },
} as const;
