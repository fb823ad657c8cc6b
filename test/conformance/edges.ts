import type { WireValue } from '../../src/rpc/index.ts';
import { ACR_INSTANCE } from './live.ts';
import { invalid, missing, notFound, notValid, outOfRange, type Refusal, tooLong } from './refusals.ts';

/** Values of one top-level parameter: the last that are taken, and the first that are not. */
export type Edges = {
  /** As the specs write it: `Tag.Key`. */
  readonly name: string;
  readonly taken: readonly WireValue[];
  readonly refused: readonly (readonly [WireValue, Refusal])[];
};

const long = (length: number) => 'x'.repeat(length);

/** So many of something, which is told its number. */
function times<T>(count: number, make: (number: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function text(name: string, maxLength: number): Edges {
  return { name, taken: [long(maxLength)], refused: [[long(maxLength + 1), tooLong(name, maxLength)]] };
}

/** An empty value counts as not sent; signs are taken, fractions, spaces and other notations are not. */
function integer(name: string, min: number, max: number): Edges {
  return {
    name,
    taken: [min, max, `+${max}`, `0${max}`, ''],
    refused: [
      [min - 1, outOfRange(name, min)],
      [-1, outOfRange(name, min)],
      [max + 1, outOfRange(name, max)],
      ...['x', `${max}.0`, ` ${max}`, '0x20', '1e3', '9'.repeat(16)].map((value) => [value, notValid(name)] as const),
    ],
  };
}

function boolean(name: string): Edges {
  const refused = ['yes', '1', ' true'].map((value) => [value, notValid(name)] as const);
  return { name, taken: ['true', 'TRUE', 'false', ''], refused };
}

/** One more of a field of `list`, in an element that is otherwise good. */
function field(list: string, good: { readonly [name: string]: WireValue }, name: string, maxLength: number): Edges {
  return {
    name: `${list}.${name}`,
    taken: [[{ ...good, [name]: long(maxLength) }]],
    refused: [[[{ ...good, [name]: long(maxLength + 1) }], tooLong(`${list}.1.${name}`, maxLength)]],
  };
}

function mandatory(list: string, good: { readonly [name: string]: WireValue }, name: string): Edges {
  const refusal = missing(`${list}.2.${name}`);
  return {
    name: `${list}.${name}`,
    taken: [[good]],
    refused: [
      [[good, { ...good, [name]: undefined }], refusal],
      [[good, { ...good, [name]: '' }], refusal],
    ],
  };
}

function voluntary(list: string, good: { readonly [name: string]: WireValue }, name: string): Edges {
  return {
    name: `${list}.${name}`,
    taken: [
      [
        { ...good, [name]: undefined },
        { ...good, [name]: '' },
      ],
    ],
    refused: [],
  };
}

const LOGIN = { Server: 'registry.example.com', UserName: 'user', Password: 'secret' };
const ACR = { InstanceId: ACR_INSTANCE };
const TAG = { Key: 'k', Value: 'v' };

const tagTexts = (['Key', 'Value'] as const).map((name): Edges => {
  const what = name.toLowerCase();
  const prefix = `${what} must not start with aliyun or acs:`;
  const address = `${what} must not contain http:// or https://`;
  const texts = [
    ['aliyun', prefix],
    ['Aliyun-x', prefix],
    ['acs:x', prefix],
    ['a http://b', address],
    ['HTTPS://b', address],
    ['a\nb', `${what} must not contain control characters`],
  ] as const;
  return {
    name: `Tag.${name}`,
    taken: [[{ ...TAG, [name]: 'my-aliyun acs http:/ ü中' }]],
    refused: texts.map(([value, reason]) => [[{ ...TAG, [name]: value }], invalid('Tag', reason)]),
  };
});

const VSWITCHES = times(10, (number) => `vsw-${number}`).join(',');

/** The edges of what CreateImageCache and UpdateImageCache both take; `image` is one that can be pulled. */
export function edgesOfBoth(image: string): readonly Edges[] {
  const images = times(21, (number) => `${image}-${number}`);
  const host = image.slice(0, image.indexOf('/'));
  const tags = times(21, (number) => ({ Key: `k${number}`, Value: '' }));
  return [
    {
      name: 'ImageCacheName',
      taken: ['x', long(128), '中 <&>"\'/+*~%'],
      refused: [
        [long(129), invalid('ImageCacheName', 'must not be longer than 128 characters')],
        ['   ', invalid('ImageCacheName', 'must not be empty')],
        ['a\u007fb', invalid('ImageCacheName', 'must not contain control characters')],
      ],
    },
    {
      name: 'Image',
      taken: [images.slice(1), [`${host}/${long(255)}:${'t'.repeat(128)}`]],
      refused: [
        [images, tooLong('Image', 20)],
        [[image, long(513)], tooLong('Image.2', 512)],
        [{ 0: image }, notValid('Image')],
        [{ first: image }, notValid('Image')],
      ],
    },
    integer('ImageCacheSize', 1, 32_768),
    integer('StandardCopyCount', 1, 100),
    integer('FlashCopyCount', 1, 100),
    boolean('Flash'),
    boolean('AutoMatchImageCache'),
    text('ResourceGroupId', 64),
    text('SecurityGroupId', 128),
    text('EipInstanceId', 128),
    {
      name: 'VSwitchId',
      taken: [VSWITCHES],
      refused: [
        [`${VSWITCHES},vsw-10`, tooLong('VSwitchId', 10)],
        [long(1025), tooLong('VSwitchId', 1024)],
      ],
    },
    {
      name: 'EliminationStrategy',
      taken: ['LRU', ''],
      refused: [['lru', invalid('EliminationStrategy', 'it must be one of LRU, empty')]],
    },
    {
      name: 'Tag.Key',
      taken: [tags.slice(1)],
      refused: [
        [tags, tooLong('Tag', 20)],
        [[{ Value: 'v' }], invalid('Tag', 'key must not be empty')],
        [[TAG, TAG], invalid('Tag', 'must not have the same key twice')],
      ],
    },
    field('Tag', TAG, 'Key', 128),
    field('Tag', TAG, 'Value', 128),
    ...tagTexts,
    {
      name: 'ImageRegistryCredential.Server',
      taken: [times(10, () => LOGIN)],
      refused: [[times(11, () => LOGIN), tooLong('ImageRegistryCredential', 10)]],
    },
    field('ImageRegistryCredential', LOGIN, 'Server', 255),
    field('ImageRegistryCredential', LOGIN, 'UserName', 1024),
    field('ImageRegistryCredential', LOGIN, 'Password', 16_384),
    ...['Server', 'UserName', 'Password'].map((name) => voluntary('ImageRegistryCredential', LOGIN, name)),
    {
      name: 'AcrRegistryInfo.InstanceId',
      taken: [times(20, () => ACR)],
      refused: [
        [times(21, () => ACR), tooLong('AcrRegistryInfo', 20)],
        [[{ InstanceId: long(129) }], tooLong('AcrRegistryInfo.1.InstanceId', 128)],
        [[ACR, { InstanceId: 'cri-x' }], notFound('AcrRegistryInfo.2.InstanceId', 'cri-x')],
      ],
    },
    mandatory('AcrRegistryInfo', { ...ACR, InstanceName: 'name' }, 'InstanceId'),
    field('AcrRegistryInfo', ACR, 'InstanceName', 256),
    field('AcrRegistryInfo', ACR, 'RegionId', 64),
    {
      name: 'AcrRegistryInfo.Domain',
      taken: [[{ ...ACR, Domain: times(100, () => host) }], [{ ...ACR, Domain: [`${host}, ${host}`] }]],
      refused: [
        [[{ ...ACR, Domain: times(101, () => host) }], tooLong('AcrRegistryInfo.1.Domain', 100)],
        [[{ ...ACR, Domain: [host, long(256)] }], tooLong('AcrRegistryInfo.1.Domain.2', 255)],
        [
          [{ ...ACR, Domain: [`${host},x.y`] }],
          invalid('AcrRegistryInfo.1.Domain', `x.y is not a domain of ${ACR_INSTANCE}`),
        ],
      ],
    },
  ];
}

/** The edges of what CreateImageCache takes beside. */
export const EDGES_OF_CREATE: readonly Edges[] = [
  integer('RetentionDays', 1, 65_536),
  text('PlainHttpRegistry', 4096),
  text('InsecureRegistry', 4096),
  text('ZoneId', 128),
  text('Annotations', 4096),
  {
    name: 'OsType',
    taken: ['Linux', ''],
    refused: [
      ['Windows', invalid('OsType', 'it must be one of Linux')],
      ['linux', invalid('OsType', 'it must be one of Linux')],
    ],
  },
  field('AcrRegistryInfo', ACR, 'ArnService', 256),
  field('AcrRegistryInfo', ACR, 'ArnUser', 256),
];
