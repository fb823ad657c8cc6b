import { DEFAULT_LAYER_LIMITS, type LayerLimits } from '../layers/ports.ts';
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from '../oci/index.ts';
import {
  DEFAULT_DOWNLOAD,
  DEFAULT_MAX_REDIRECTS,
  DEFAULT_RETRY,
  DEFAULT_TIMEOUTS,
  type RegistryClientOptions,
} from '../registry/ports.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;

/** `name` ends in Bytes, Ms or neither: that is its unit, and what its values may be written with. */
export type Limit = {
  readonly default: number;
  /** 0 where that means no limit, else 1. */
  readonly min: 0 | 1;
  /** Where more can't work, such as what the kernel or the format takes. */
  readonly max?: number;
  readonly doc: string;
};

const layer = (name: keyof LayerLimits, doc: string, max?: number): Limit => ({
  default: DEFAULT_LAYER_LIMITS[name],
  min: 1,
  doc,
  ...(max === undefined ? {} : { max }),
});
const document = (name: keyof DocumentLimits, doc: string): Limit => ({
  default: DEFAULT_DOCUMENT_LIMITS[name],
  min: 1,
  doc,
});
const limit = (value: number, doc: string): Limit => ({ default: value, min: 1, doc });
const optional = (value: number, doc: string): Limit => ({ default: value, min: 0, doc: `${doc}; 0: no limit` });

/** Of one layer. Beyond: the cache is Failed, and its event names the limit. */
const LAYER = {
  maxCompressedBytes: layer('maxCompressedBytes', 'Size of a layer in the registry'),
  maxTarBytes: layer('maxTarBytes', 'Size of a layer unpacked'),
  maxRatio: layer('maxRatio', 'Unpacked bytes per compressed byte, once `ratioFloorBytes` are unpacked'),
  ratioFloorBytes: layer('ratioFloorBytes', 'From where on `maxRatio` counts'),
  maxWindowBytes: layer('maxWindowBytes', 'Window of a zstd stream, a power of two', 2 * 1024 * MIB),
  maxFrames: layer('maxFrames', 'Frames of a zstd stream'),
  maxEntries: layer('maxEntries', 'Entries of the tar, and directories that it doesn’t name'),
  maxDirectories: layer('maxDirectories', 'Directories among them'),
  maxDepth: layer('maxDepth', 'Directories above one another'),
  maxLookups: layer('maxLookups', 'Names looked up for all entries together'),
  maxLowerLookups: layer('maxLowerLookups', 'Names looked up in the layers below'),
  maxPathBytes: layer('maxPathBytes', 'Path of an entry, and target of a link', DEFAULT_LAYER_LIMITS.maxPathBytes),
  maxNameBytes: layer('maxNameBytes', 'One name of a path', DEFAULT_LAYER_LIMITS.maxNameBytes),
  maxSymlinks: layer(
    'maxSymlinks',
    'Symlinks followed to one entry, and symlinks of lower layers where the layer has entries',
    DEFAULT_LAYER_LIMITS.maxSymlinks,
  ),
  maxXattrs: layer('maxXattrs', 'Extended attributes of an entry'),
  maxXattrBytes: layer(
    'maxXattrBytes',
    'Names and values of an entry’s extended attributes',
    DEFAULT_LAYER_LIMITS.maxXattrBytes,
  ),
  maxXattrValueBytes: layer(
    'maxXattrValueBytes',
    'Value of one extended attribute',
    DEFAULT_LAYER_LIMITS.maxXattrValueBytes,
  ),
  maxHeaderBytes: layer('maxHeaderBytes', 'One pax header, GNU long name or sparse map'),
  maxPaxRecords: layer('maxPaxRecords', 'Records of one pax header'),
  maxExtensionBytes: layer('maxExtensionBytes', 'All pax headers, GNU long names and sparse maps of the tar'),
  maxTrailingBytes: layer('maxTrailingBytes', 'What follows the end of the tar'),
  maxMetadataBytes: layer(
    'maxMetadataBytes',
    'Names, link targets, extended attributes and sparse maps of all entries',
  ),
  maxFileBytes: layer('maxFileBytes', 'Size that one file may claim'),
  maxSparseOverheadBytes: layer('maxSparseOverheadBytes', 'Zeros and indexes that sparse files cost beyond their data'),
};

/** Of manifest, index and config. Beyond: the same. */
const DOCUMENT = {
  maxManifestBytes: document('maxManifestBytes', 'Manifest or index'),
  maxConfigBytes: document('maxConfigBytes', 'Image config'),
  maxValues: document('maxValues', 'Values in a manifest, index or config'),
  maxLayers: document('maxLayers', 'Layers of an image'),
  maxIndexEntries: document('maxIndexEntries', 'Entries of an index'),
  maxIndexDepth: document('maxIndexDepth', 'Indexes above one another'),
};

/** Of one registry. Beyond: the step is tried again, `maxAttempts` times in a row without progress, and then the cache is Failed. */
const REGISTRY = {
  maxRedirects: limit(DEFAULT_MAX_REDIRECTS, 'Redirects of one request; beyond there is no second try'),
  connectMs: limit(DEFAULT_TIMEOUTS.connectMs, 'Until there is a connection'),
  headersMs: limit(DEFAULT_TIMEOUTS.headersMs, 'From a request to the head of its answer'),
  idleMs: limit(DEFAULT_TIMEOUTS.idleMs, 'Without a byte of an answer'),
  documentMs: limit(DEFAULT_TIMEOUTS.documentMs, 'For a manifest, config or token, redirects included'),
  layerMs: limit(DEFAULT_TIMEOUTS.layerMs, 'For a layer, all attempts together'),
  slowWindowMs: limit(DEFAULT_DOWNLOAD.slowWindowMs, 'Window in which a download must bring `slowMinBytes`'),
  slowMinBytes: limit(DEFAULT_DOWNLOAD.minBytes, 'Less than this in `slowWindowMs` is cut'),
  maxAttempts: limit(DEFAULT_RETRY.attempts, 'Failures in a row of a document or layer'),
  maxRetryDelayMs: limit(DEFAULT_RETRY.maxDelayMs, 'Wait before another attempt, whatever Retry-After says'),
};

/** Of the API. What lies beyond each is said with it. */
const API = {
  readsPerSecond: optional(2_000, 'Calls of Describe… and List… of one account; beyond: `Throttling.User`'),
  readBurst: limit(10_000, 'Such calls at once, after a quiet time'),
  writesPerSecond: optional(500, 'All other calls of one account; beyond: `Throttling.User`'),
  writeBurst: limit(5_000, 'Such calls at once, after a quiet time'),
  createsPerMinute: optional(
    200,
    'Calls of CreateImageCache of one account in one region, and as many at once after a quiet time; beyond: `Throttling.User`',
  ),
  maxBadSignatures: optional(
    20,
    'Wrong signatures in a row with one key from one address; beyond: `Throttling`, 1 s long and then twice as long each time',
  ),
  maxBackOffMs: limit(5 * MINUTE_MS, 'Longest such wait'),
  maxConnections: optional(8_192, 'Open connections; beyond: closed at once'),
  maxConnectionsPerAddress: optional(2_048, 'Open connections of one address; beyond: closed at once'),
  maxBodyBufferBytes: limit(
    64 * MIB,
    'Parts of request bodies on their way, all together; beyond: `ServiceUnavailable`',
  ),
  requestMs: limit(30_000, 'For a request to arrive; beyond: an error, and the connection is closed'),
  maxBlobStreams: limit(1_024, 'Layer blobs sent to nodes at the same time; beyond: `TooManyStreams`'),
  blobStallMs: limit(30_000, 'For a node to take some of a blob; beyond: the connection is cut'),
  answerMs: limit(MINUTE_MS, 'For a caller to take its answer; beyond: the connection is cut'),
};

/** Of the audit log. */
const AUDIT = {
  maxAuditFileBytes: limit(16 * MIB, 'Size at which the audit log begins a new file'),
  maxAuditFiles: limit(10, 'Older files that are kept; the oldest goes'),
};

export const LIMIT_GROUPS = {
  'One layer': LAYER,
  'Manifest, index and config': DOCUMENT,
  Registries: REGISTRY,
  'The API': API,
  'The audit log': AUDIT,
} as const;

export const LIMITS = { ...LAYER, ...DOCUMENT, ...REGISTRY, ...API, ...AUDIT };

export type LimitName = keyof typeof LIMITS;
export type Limits = Readonly<Record<LimitName, number>>;

export function layerLimits(limits: Limits): LayerLimits {
  return { ...DEFAULT_LAYER_LIMITS, ...pick(limits, LAYER) };
}

/** What a registry client takes of the limits. */
export function registryLimits(
  limits: Limits,
): Required<Pick<RegistryClientOptions, 'timeouts' | 'retry' | 'download' | 'documents' | 'maxRedirects'>> {
  const { connectMs, headersMs, idleMs, documentMs, layerMs } = limits;
  return {
    timeouts: { connectMs, headersMs, idleMs, documentMs, layerMs },
    retry: { attempts: limits.maxAttempts, maxDelayMs: limits.maxRetryDelayMs },
    download: { slowWindowMs: limits.slowWindowMs, minBytes: limits.slowMinBytes },
    documents: pick(limits, DOCUMENT),
    maxRedirects: limits.maxRedirects,
  };
}

function pick<Name extends LimitName>(limits: Limits, names: Readonly<Record<Name, Limit>>): Record<Name, number> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the record are the names
  const keys = Object.keys(names) as Name[];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every name has an entry
  return Object.fromEntries(keys.map((name) => [name, limits[name]])) as Record<Name, number>;
}
