/** What containerd puts before our names: the namespace, and a number of its own (containerd v1.6.20, metadata/snapshot.go, createKey). */
const CONTAINERD_PREFIX = /^.*\/\d+\//;
/** A snapshot that a layer is unpacked into, for the chain that it is to become (rootfs/apply.go, snapshots.UnpackKeyFormat). */
const UNPACK_KEY = /^extract-\S+ (sha256:[0-9a-f]{64})$/;

/** The chainID of the layers that were unpacked, when that is what containerd commits; undefined for whatever else it does. */
export function unpackedChain(key: string, name: string): string | undefined {
  const chainId = UNPACK_KEY.exec(key.replace(CONTAINERD_PREFIX, ''))?.[1];
  return name.replace(CONTAINERD_PREFIX, '') === chainId ? chainId : undefined;
}
