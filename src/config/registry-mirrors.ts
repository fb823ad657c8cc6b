import { LarderError } from '../lib/errors.ts';

/**
 * Reads `REGISTRY=URL` settings: the mirrors of a registry, in the order in which they are asked. A path in the URL goes before
 * the repository: `docker.io=https://harbor.example.com/hub` asks for `hub/library/nginx`. Throws `config.invalid`.
 */
export function parseRegistryMirrors(settings: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const mirrors = new Map<string, string[]>();
  for (const setting of settings) {
    const [, registry = '', address = ''] = /^([^=\s/]+)=(\S+)$/.exec(setting) ?? [];
    const url = URL.parse(/^[a-z]+:\/\//i.test(address) ? address : `https://${address}`);
    const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash;
    if (registry === '' || !isPlain) {
      throw new LarderError(
        'config.invalid',
        `--registry-mirror takes REGISTRY=URL, for example docker.io=https://mirror.example.com; got ${JSON.stringify(setting)}`,
      );
    }
    const name = registry.toLowerCase();
    mirrors.set(name, [...(mirrors.get(name) ?? []), url.href]);
  }
  return mirrors;
}
