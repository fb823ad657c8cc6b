import { MAX_TAG_KEY_LENGTH, MAX_TAG_VALUE_LENGTH, MAX_TAGS } from '../caches/index.ts';

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
  doc: 'Makes the request idempotent: unique for each logical request, up to 64 ASCII characters.',
} as const;

export const RESOURCE_GROUP_ID = {
  type: 'string',
  maxLength: 64,
  doc: 'Resource group.',
  example: 'rg-2df3isufhi38',
} as const;

export const TAGS = {
  type: 'objects',
  maxItems: MAX_TAGS,
  doc: 'Tags of the image cache.',
  fields: {
    Key: { type: 'string', maxLength: MAX_TAG_KEY_LENGTH, doc: 'Tag key.', example: 'imc' },
    Value: { type: 'string', maxLength: MAX_TAG_VALUE_LENGTH, keepEmpty: true, doc: 'Tag value.', example: 'test' },
  },
} as const;
