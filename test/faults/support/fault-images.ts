import { LarderError } from '../../../src/lib/errors.ts';
import { type Platform, parseReference } from '../../../src/oci/index.ts';
import { createRegistryClient, type RegistryClient, type ResolvedImage } from '../../../src/registry/index.ts';
import { buildImage } from '../../support/registry-image.ts';
import type { ScriptedRegistry } from '../../support/scripted-registry.ts';
import { type TarEntry, writeTar } from '../../support/tar-writer.ts';

export const PLATFORM: Platform = { os: 'linux', architecture: 'amd64' };
const LAYERS = 9;
/** Which layers are in which image, bottom first; many share some. Layer 8 links to a file of the layer below it. */
const IMAGES = [[0], [0, 1], [1, 2, 3], [4], [4, 5], [6, 0], [7], [6, 8], [2, 6, 8]] as const;

function layerTar(number: number): Uint8Array {
  const content = Buffer.alloc(1500 + 900 * number, `layer ${number} `);
  const entries: TarEntry[] = [
    { name: './', type: 'directory' },
    { name: 'data/', type: 'directory' },
    { name: `data/${number}`, type: 'file', content },
    ...(number === 8 ? [{ name: 'data/link', type: 'hardLink', linkName: 'data/6' } as const] : []),
  ];
  return Buffer.concat([...writeTar(entries)]);
}

export type FaultImages = {
  /** Those that can be pulled, and one that can't. */
  references: readonly string[];
  missing: string;
  /** A registry without a network, which has the same. */
  connect: () => RegistryClient;
};

/** Puts nine small images into the registry, the same every time. */
export async function putFaultImages(registry: ScriptedRegistry): Promise<FaultImages> {
  const tars = Array.from({ length: LAYERS }, (_, number) => layerTar(number));
  const bytesOf = new Map<string, Uint8Array>();
  const references = IMAGES.map((numbers, index) => {
    const image = buildImage({ layers: numbers.map((number) => tars[number] ?? Buffer.alloc(0)) });
    registry.putImage('team/app', image, `${index}`);
    for (const { descriptor, bytes } of image.layers) bytesOf.set(descriptor.digest, bytes);
    return `${registry.host}/team/app:${index}`;
  });
  const client = createRegistryClient({ plainHttp: [registry.host] });
  const resolved = new Map<string, ResolvedImage>();
  try {
    const signal = AbortSignal.timeout(10_000);
    for (const reference of references)
      resolved.set(reference, await client.resolve(parseReference(reference), PLATFORM, signal));
  } finally {
    await client.close();
  }
  const nameOf = (reference: { registry: string; repository: string; tag?: string | undefined }) =>
    `${reference.registry}/${reference.repository}:${reference.tag ?? ''}`;
  return {
    references,
    missing: `${registry.host}/team/app:missing`,
    connect: () => ({
      async resolve(reference) {
        const image = resolved.get(nameOf(reference));
        if (!image) throw new LarderError('registry.not-found', 'there is no such image');
        return image;
      },
      async *openLayer(_reference, descriptor, { onBytes }) {
        const bytes = bytesOf.get(descriptor.digest) ?? Buffer.alloc(0);
        yield bytes;
        onBytes?.(bytes.length);
      },
      distrustMirrors: () => false,
      close: async () => undefined,
    }),
  };
}
