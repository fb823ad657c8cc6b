import { LarderError } from '../lib/errors.ts';

/** In the words of image-spec (GOOS, GOARCH): `{ os: 'linux', architecture: 'arm64', variant: 'v8' }`. */
export type Platform = { readonly os: string; readonly architecture: string; readonly variant?: string };

const ARCHITECTURE_OF_NODE: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
const ALIASES: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', i386: '386', armhf: 'arm' };
/** The variant meant when none is given (containerd/platforms, normalizeArch). */
const DEFAULT_VARIANT: Readonly<Record<string, string>> = { arm64: 'v8', arm: 'v7', amd64: 'v1' };

/** The platform of images that this machine runs, from node's `process.arch` and `process.platform`. */
export function hostPlatform(arch: string, os: string): Platform {
  const architecture = ARCHITECTURE_OF_NODE[arch] ?? arch;
  const variant = architecture === 'amd64' ? undefined : DEFAULT_VARIANT[architecture];
  // On macOS containers run in a Linux machine.
  return { os: os === 'win32' ? 'windows' : 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}

/** `linux/arm64/v8`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, ...(platform.variant ? [platform.variant] : [])].join('/');
}

/**
 * The entry of an index that suits the platform best: the same variant, else the next older one that runs there;
 * else the first entry that names no platform, whose config must then be checked with {@link suits}.
 * Attestations (`unknown/unknown`) are passed over. Throws `oci.platform-unavailable`.
 */
export function choosePlatform<Entry extends { readonly platform?: Platform }>(
  entries: readonly Entry[],
  platform: Platform,
): Entry {
  let best: { entry: Entry; rank: number } | undefined;
  for (const entry of entries) {
    const rank = entry.platform === undefined ? UNLABELLED : rankOf(entry.platform, platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { entry, rank };
  }
  if (best) return best.entry;
  throw platformUnavailable(
    platform,
    entries.flatMap((entry) => (entry.platform && !isUnknown(entry.platform) ? [entry.platform] : [])),
  );
}

/** Whether an image for `candidate` runs on `platform`. */
export function suits(candidate: Platform, platform: Platform): boolean {
  return rankOf(candidate, platform) !== undefined;
}

export function platformUnavailable(platform: Platform, available: readonly Platform[]): LarderError {
  const list = [...new Set(available.map(formatPlatform))].slice(0, 20).join(', ');
  const wanted = formatPlatform(platform);
  return new LarderError(
    'oci.platform-unavailable',
    `the image has nothing for ${wanted}; it has ${list === '' ? 'no platform at all' : list}`,
    { facts: { platform: wanted, available: list } },
  );
}

/** Behind every labelled entry: a rank is a distance between variants, and those are one digit. */
const UNLABELLED = 100;

/** 0 for the same variant, more for older ones, undefined for what does not run. */
function rankOf(candidate: Platform, platform: Platform): number | undefined {
  if (candidate.os.toLowerCase() !== platform.os) return undefined;
  const architecture = architectureOf(candidate);
  if (architecture !== architectureOf(platform)) return undefined;
  const [have, want] = [variantOf(candidate, architecture), variantOf(platform, architecture)];
  if (have === want) return 0;
  // Variants of one architecture are v1, v2, … and each runs what was built for those before it.
  const distance = versionOf(want) - versionOf(have);
  return distance > 0 ? distance : undefined;
}

function architectureOf(platform: Platform): string {
  const architecture = platform.architecture.toLowerCase();
  return ALIASES[architecture] ?? architecture;
}

function variantOf(platform: Platform, architecture: string): string {
  const variant = platform.variant?.toLowerCase() ?? '';
  if (variant === '') return DEFAULT_VARIANT[architecture] ?? '';
  return /^\d$/.test(variant) ? `v${variant}` : variant;
}

function versionOf(variant: string): number {
  return /^v\d$/.test(variant) ? Number(variant.slice(1)) : Number.NaN;
}

function isUnknown(platform: Platform): boolean {
  return platform.os === 'unknown' || platform.architecture === 'unknown';
}
