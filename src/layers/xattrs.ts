import { LarderError } from '../lib/errors.ts';
import { type ByteString, type InodeAttributes, splitXattrName, type Xattr } from './erofs/index.ts';
import { corruptTar } from './tar-header.ts';
import { LIBARCHIVE, type PaxRecords, SCHILY } from './tar-pax.ts';

/**
 * Never taken from an image: labels and ACLs that mean something on the machine that made the image only (umoci drops the
 * same two), and all that steers overlayfs. An image could hide or redirect files of lower layers with the latter
 * (`trusted.overlay.redirect`, `.metacopy`); whiteouts are its way to say what it deletes.
 */
const DROPPED = ['security.selinux', 'system.nfs4_acl'];
const DROPPED_PREFIXES = ['trusted.overlay.', 'user.overlay.'];

export const OPAQUE: Xattr = { name: 'trusted.overlay.opaque', value: Buffer.from('y') };
/**
 * On a directory that holds whiteouts: makes overlayfs look for them when it lists the directory although no other layer has
 * it. Without the mark they would show as broken entries (fs/overlayfs/readdir.c: only "impure" or merged ones are filtered).
 */
export const HAS_WHITEOUTS: Xattr = { name: 'trusted.overlay.origin', value: Buffer.alloc(0) };

/**
 * The extended attributes in pax records, as star and GNU tar (`SCHILY.xattr.`, raw) or libarchive (name percent-encoded,
 * value base64) write them; star's form wins, as bsdtar writes both.
 */
export function xattrsOfPax(records: PaxRecords, offset: number): readonly Xattr[] {
  const found = new Map<ByteString, Uint8Array>();
  for (const [key, value] of records) {
    // POSIX pax: a record without a value takes back what it names; umoci and Go's archive/tar do so, too.
    if (value === '') continue;
    if (key.startsWith(SCHILY)) {
      found.set(key.slice(SCHILY.length), Buffer.from(value, 'latin1'));
    } else if (key.startsWith(LIBARCHIVE)) {
      const name = percentDecode(key.slice(LIBARCHIVE.length), offset);
      if (!records.has(SCHILY + name)) found.set(name, Buffer.from(value, 'base64'));
    }
  }
  // Sorted, so that the order of records makes no other blob.
  return [...found].map(([name, value]) => ({ name, value })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function percentDecode(text: ByteString, offset: number): ByteString {
  return text.replace(/%(..?)?/g, (_, hex: string | undefined) => {
    if (!hex || !/^[0-9A-Fa-f]{2}$/.test(hex)) throw corruptTar('a broken extended attribute', offset);
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
}

/**
 * Drops the attributes that an inode of this kind can't have on Linux, or must not have from an image, and lets an access
 * ACL set the mode, as setxattr(2) does: unpackers apply it after chmod.
 */
export function applyXattrs(attributes: InodeAttributes, kind: string): InodeAttributes {
  if (attributes.xattrs.length === 0) return attributes;
  let { mode } = attributes;
  const xattrs = attributes.xattrs.filter(({ name, value }) => {
    if (DROPPED.includes(name) || DROPPED_PREFIXES.some((prefix) => name.startsWith(prefix))) return false;
    // The rest of `system.` is not stored by file systems, and other prefixes are none of Linux's: ENOTSUP.
    if (!splitXattrName(name)) return false;
    // xattr(7): user attributes are for files and directories, ACLs not for symlinks, default ACLs for directories.
    if (name.startsWith('user.')) return kind === 'file' || kind === 'directory';
    if (name === 'system.posix_acl_default') return kind === 'directory' && parseAcl(value).length > 0;
    if (name !== 'system.posix_acl_access') return true;
    if (kind === 'symlink') return false;
    const entries = parseAcl(value);
    mode = (mode & 0o7000) | modeOfAcl(entries, mode);
    // One that says no more than the mode is not kept (posix_acl_equiv_mode).
    return entries.some(({ tag }) => !BASE_TAGS.includes(tag));
  });
  return { ...attributes, mode, xattrs };
}

type AclEntry = { tag: number; permissions: number };
const ACL_VERSION = 2;
const TAG = { userOwner: 0x01, groupOwner: 0x04, mask: 0x10, other: 0x20 } as const;
const BASE_TAGS: readonly number[] = [TAG.userOwner, TAG.groupOwner, TAG.other];
const NAMED_TAGS: readonly number[] = [0x02, 0x08];

/** include/uapi/linux/posix_acl_xattr.h; EROFS stores this same form. A broken one would make the file inaccessible. */
function parseAcl(value: Uint8Array): AclEntry[] {
  const bytes = Buffer.from(value);
  const entries: AclEntry[] = [];
  const isWhole = bytes.length >= 4 && (bytes.length - 4) % 8 === 0 && bytes.readUInt32LE(0) === ACL_VERSION;
  if (!isWhole) throw refusedAcl();
  for (let offset = 4; offset < bytes.length; offset += 8) {
    entries.push({ tag: bytes.readUInt16LE(offset), permissions: bytes.readUInt16LE(offset + 2) });
  }
  const count = (tag: number) => entries.filter((entry) => entry.tag === tag).length;
  const hasNamed = entries.some((entry) => NAMED_TAGS.includes(entry.tag));
  const isKnown = entries.every(
    ({ tag, permissions }) =>
      (tag === TAG.mask || BASE_TAGS.includes(tag) || NAMED_TAGS.includes(tag)) && permissions <= 7,
  );
  // posix_acl_valid: in the order of the tags, each base entry once, a mask where anybody is named.
  const isOrdered = entries.every((entry, index) => index === 0 || (entries[index - 1]?.tag ?? 0) <= entry.tag);
  const hasBase = BASE_TAGS.every((tag) => count(tag) === 1);
  const hasMask = count(TAG.mask) <= 1 && (!hasNamed || count(TAG.mask) === 1);
  if (!isKnown || (entries.length > 0 && !(isOrdered && hasBase && hasMask))) {
    throw refusedAcl();
  }
  return entries;
}

function refusedAcl(): LarderError {
  return new LarderError('layers.invalid-entry', 'the layer has a POSIX ACL that the kernel would refuse');
}

function modeOfAcl(entries: readonly AclEntry[], mode: number): number {
  if (entries.length === 0) return mode & 0o777;
  const bits = (tag: number) => entries.find((entry) => entry.tag === tag)?.permissions;
  const group = bits(TAG.mask) ?? bits(TAG.groupOwner) ?? 0;
  return ((bits(TAG.userOwner) ?? 0) << 6) | (group << 3) | (bits(TAG.other) ?? 0);
}
