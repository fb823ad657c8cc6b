import { LarderError } from '../../lib/errors.ts';
import {
  XATTR_ENTRY_BYTES,
  XATTR_HEADER_BYTES,
  XATTR_MAX_NAME_BYTES,
  XATTR_MAX_VALUE_BYTES,
  XATTR_PREFIXES,
} from './format.ts';
import type { Xattr } from './inode.ts';

const NO_ATTRIBUTES = new Uint8Array();

/**
 * The name's index and the rest of it, or undefined where EROFS has no way to write it (`system.*` other than the ACLs,
 * over-long names).
 */
export function splitXattrName(name: string): { index: number; suffix: string } | undefined {
  for (const [prefix, index] of XATTR_PREFIXES) {
    const whole = !prefix.endsWith('.');
    if (whole ? name !== prefix : !name.startsWith(prefix) || name.length === prefix.length) continue;
    const suffix = name.slice(prefix.length);
    return suffix.length > XATTR_MAX_NAME_BYTES ? undefined : { index, suffix };
  }
  return undefined;
}

/**
 * What lies between the inode and its inline tail or chunk indexes: the attributes in order, behind those of `before`, without
 * shared ones. A multiple of 4 bytes.
 */
export function encodeXattrs(xattrs: readonly Xattr[], before: Uint8Array = NO_ATTRIBUTES): Buffer {
  const start = Math.max(before.length, XATTR_HEADER_BYTES);
  const area = Buffer.alloc(xattrs.reduce((bytes, xattr) => bytes + entryBytes(xattr), start));
  area.set(before);
  let offset = start;
  for (const xattr of xattrs) {
    const { index, suffix } = requireXattr(xattr);
    area[offset] = suffix.length;
    area[offset + 1] = index;
    area.writeUInt16LE(xattr.value.length, offset + 2);
    area.write(suffix, offset + XATTR_ENTRY_BYTES, 'latin1');
    area.set(xattr.value, offset + XATTR_ENTRY_BYTES + suffix.length);
    offset += entryBytes(xattr);
  }
  return area;
}

/** Of the area of these attributes. */
export function xattrAreaBytes(xattrs: readonly Xattr[]): number {
  return xattrs.length === 0 ? 0 : xattrs.reduce((bytes, xattr) => bytes + entryBytes(xattr), XATTR_HEADER_BYTES);
}

/** `i_xattr_icount`: the area in units of 4 bytes, its header counted as one. */
export function xattrCount(areaBytes: number): number {
  return areaBytes === 0 ? 0 : 1 + (areaBytes - XATTR_HEADER_BYTES) / 4;
}

function entryBytes(xattr: Xattr): number {
  return (XATTR_ENTRY_BYTES + requireXattr(xattr).suffix.length + xattr.value.length + 3) & ~3;
}

function requireXattr(xattr: Xattr): { index: number; suffix: string } {
  const split = splitXattrName(xattr.name);
  if (!split || xattr.value.length > XATTR_MAX_VALUE_BYTES) {
    throw new LarderError(
      'erofs.unrepresentable',
      `no EROFS form for the extended attribute ${JSON.stringify(xattr.name)}`,
    );
  }
  return split;
}
