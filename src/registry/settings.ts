import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { RetryPolicy } from '../lib/retry.ts';
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from '../oci/index.ts';
import type { CredentialLookup } from './credentials.ts';

/** How long each step may take. */
export type RegistryTimeouts = {
  readonly connectMs: number;
  /** From the request to the head of the answer. */
  readonly headersMs: number;
  /** Without a byte of the body, while we are ready to take some. */
  readonly idleMs: number;
  /** For a whole manifest, config or token, redirects included. */
  readonly documentMs: number;
  /** For a whole layer, the waits between its attempts included. */
  readonly layerMs: number;
};

export const DEFAULT_TIMEOUTS: RegistryTimeouts = {
  connectMs: 10_000,
  headersMs: 30_000,
  idleMs: 30_000,
  documentMs: 60_000,
  layerMs: 6 * 60 * 60_000,
};

/** Also the bound on failures of a layer in a row; see {@link DownloadPolicy} for what ends the row. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseDelayMs: 500, maxDelayMs: 30_000 };

/** What counts as progress of a layer's download. */
export type DownloadPolicy = {
  /** So many new bytes forget the failures before them: a long download over a bad line may fail often, a stuck one not. */
  readonly progressBytes: number;
  /** A stream that gave fewer than `minBytes` in this much time of waiting for it is a slow drip, and is cut. */
  readonly slowWindowMs: number;
  readonly minBytes: number;
  /** A layer of so many bytes is read over a connection of its own, without garbage; making one takes a few round trips. */
  readonly ownConnectionBytes: number;
};

export const DEFAULT_DOWNLOAD: DownloadPolicy = {
  progressBytes: 1024 * 1024,
  slowWindowMs: 60_000,
  minBytes: 64 * 1024,
  ownConnectionBytes: 4 * 1024 * 1024,
};

export const DEFAULT_MAX_REDIRECTS = 5;
/** Tokens are one to eight KiB; some carry the user's groups. */
export const MAX_TOKEN_RESPONSE_BYTES = 256 * 1024;
/** Of an error answer only the beginning is read. */
export const MAX_ERROR_BYTES = 16 * 1024;
/** Between the socket and the reader of a layer: one buffer of this size a download. */
export const DOWNLOAD_BUFFER_BYTES = 1024 * 1024;

/** Addresses of HTTP proxies for targets of either scheme, empty for none; and hosts as NO_PROXY lists them. */
export type ProxySettings = { readonly http: string; readonly https: string; readonly exceptions: string };

export type RegistryClientOptions = {
  /** Asked at most once a registry, until what it gave is refused. Default: anonymous. */
  readonly credentials?: CredentialLookup;
  /** `host[:port]` of registries that speak plain HTTP; loopback hosts may without being listed, as in Docker. */
  readonly plainHttp?: readonly string[];
  /** `host[:port]` of registries whose TLS certificate is not verified. */
  readonly insecure?: readonly string[];
  /** Registry → addresses of its mirrors, which are asked before it; `https://host/prefix`. */
  readonly mirrors?: ReadonlyMap<string, readonly string[]>;
  /** Through which everything but `exceptions` is reached; the environment is not looked at. */
  readonly proxies?: ProxySettings | undefined;
  readonly userAgent?: string;
  readonly timeouts?: Partial<RegistryTimeouts>;
  readonly retry?: Partial<RetryPolicy>;
  readonly download?: Partial<DownloadPolicy>;
  readonly documents?: Partial<DocumentLimits>;
  readonly maxRedirects?: number;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Name resolution; node's own when absent. */
  readonly lookup?: AddressLookup;
};

/** All addresses of a host name; throws node's DNS errors. */
export type AddressLookup = (hostname: string) => Promise<readonly { address: string; family: number }[]>;

export type RegistrySettings = {
  readonly credentials: CredentialLookup;
  readonly plainHttp: ReadonlySet<string>;
  readonly insecure: ReadonlySet<string>;
  readonly mirrors: ReadonlyMap<string, readonly string[]>;
  readonly proxies: ProxySettings | undefined;
  readonly userAgent: string;
  readonly timeouts: RegistryTimeouts;
  readonly retry: RetryPolicy;
  readonly download: DownloadPolicy;
  readonly documents: DocumentLimits;
  readonly maxRedirects: number;
  readonly clock: Clock;
  readonly log: Logger | undefined;
  readonly lookup: AddressLookup | undefined;
};

export function readSettings(options: RegistryClientOptions): RegistrySettings {
  return {
    credentials: options.credentials ?? (() => Promise.resolve(undefined)),
    plainHttp: hostSet(options.plainHttp, ':80'),
    insecure: hostSet(options.insecure, ':443'),
    mirrors: options.mirrors ?? new Map(),
    proxies: options.proxies,
    userAgent: options.userAgent ?? 'larder',
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    retry: { ...DEFAULT_RETRY, ...options.retry },
    download: { ...DEFAULT_DOWNLOAD, ...options.download },
    documents: { ...DEFAULT_DOCUMENT_LIMITS, ...options.documents },
    maxRedirects: options.maxRedirects ?? DEFAULT_MAX_REDIRECTS,
    clock: options.clock ?? systemClock,
    log: options.log,
    lookup: options.lookup,
  };
}

/** Hosts compare without case, and a port that is the default one may be left out on either side. */
function hostSet(hosts: readonly string[] | undefined, defaultPort: string): ReadonlySet<string> {
  return new Set(
    (hosts ?? []).flatMap((host) => {
      const lower = host.trim().toLowerCase();
      return lower.endsWith(defaultPort) ? [lower, lower.slice(0, -defaultPort.length)] : [lower, lower + defaultPort];
    }),
  );
}
