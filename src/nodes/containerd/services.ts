import { join } from 'node:path';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { LarderError } from '../../lib/errors.ts';

const PROTO_FOLDER = join(import.meta.dirname, 'proto');
const FILES = ['snapshots.proto', 'content.proto', 'images.proto', 'leases.proto'];
const PACKAGE = 'containerd.services';

export type ServiceName = 'snapshots.v1.Snapshots' | 'content.v1.Content' | 'images.v1.Images' | 'leases.v1.Leases';

/**
 * A service of containerd's API, by the files in proto/. Messages are plain objects: names in camel case, every field set,
 * numbers up to 2^53, enums by name, bytes as Buffer.
 */
export function loadService(name: ServiceName): ServiceDefinition {
  const definitions = loadSync(FILES, {
    includeDirs: [PROTO_FOLDER],
    longs: Number,
    enums: String,
    defaults: true,
  });
  const found = definitions[`${PACKAGE}.${name}`];
  if (found === undefined || 'format' in found)
    throw new LarderError('containerd.proto', `proto/ has no service ${name}`);
  return found;
}
