/** What the documents of an image may ask for. One that asks for more is refused with `oci.limit-exceeded`, naming the limit. */
export type DocumentLimits = {
  /** The size that distribution-spec (content manifests) asks registries to take. */
  maxManifestBytes: number;
  /** A config carries history and labels; the largest in the wild stay under 1 MiB. */
  maxConfigBytes: number;
  /** Commas and opening brackets, in strings too: parsed, an empty list takes twenty times its two bytes. */
  maxValues: number;
  /** Docker builds at most 127; tools that go beyond stay in the hundreds. */
  maxLayers: number;
  maxIndexEntries: number;
  /** Indexes above one another. */
  maxIndexDepth: number;
};

export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = {
  maxManifestBytes: 4 * 1024 * 1024,
  maxConfigBytes: 8 * 1024 * 1024,
  maxValues: 200_000,
  maxLayers: 1000,
  maxIndexEntries: 1000,
  maxIndexDepth: 2,
};
