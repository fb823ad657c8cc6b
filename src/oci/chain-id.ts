import { createHash } from 'node:crypto';
import { type Digest, digestOfHex } from '../lib/digest.ts';

/**
 * The chainID of every layer, bottom first: what the layer and all below it hold together (image-spec config.md, "Layer
 * ChainID"). The bottom layer's is its diffID.
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    const digest = below && createHash('sha256').update(`${below} ${diffId}`).digest('hex');
    chain.push(digest === undefined ? diffId : digestOfHex(digest));
  }
  return chain;
}
