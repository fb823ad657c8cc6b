import type { ByteString, Xattr } from './erofs/index.ts';
import { corruptTar, type RawHeader } from './tar-header.ts';
import { type PaxRecords, paxInteger, paxTime } from './tar-pax.ts';
import type { SparseSegment } from './tar-sparse.ts';
import { xattrsOfPax } from './xattrs.ts';

export type TarEntryKind = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** One member of a tar, all extensions applied; paths as they stand in the tar. */
export type TarEntry = {
  kind: TarEntryKind;
  path: ByteString;
  /** Of links and symlinks; else empty. */
  linkPath: ByteString;
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  mtimeNsec: number;
  /** Of the file, holes included; 0 for what has no data. */
  size: number;
  /** Where the data that follows belongs, if the file is sparse. */
  sparse: readonly SparseSegment[] | undefined;
  devMajor: number;
  devMinor: number;
  xattrs: readonly Xattr[];
  /** Of the header, in the tar. */
  offset: number;
};

const KINDS: Readonly<Record<string, TarEntryKind>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  // "Contiguous file": a plain one everywhere but on systems of the past.
  '7': 'file',
  S: 'file',
};

/** What came before a header for it alone. */
export type Extensions = {
  pax: PaxRecords | undefined;
  gnuName: ByteString | undefined;
  gnuLink: ByteString | undefined;
};

/**
 * Joins a header with its extensions; GNU's long names win over pax (Go's archive/tar). `size` is what follows in the tar.
 * Returns undefined for a type that this reader doesn't know.
 */
export function buildEntry(header: RawHeader, extensions: Extensions, offset: number): TarEntry | undefined {
  const { pax } = extensions;
  const text = (key: string, fallback: ByteString) => pax?.get(key) || fallback;
  const number = (key: string, fallback: number) => {
    const value = pax?.get(key);
    return value ? paxInteger(value, offset) : fallback;
  };
  const path = extensions.gnuName || text('path', header.name);
  // Archives older than ustar mark a directory by a slash at the end.
  const isOldDirectory = header.typeFlag === '\0' && path.endsWith('/');
  const kind = isOldDirectory ? 'directory' : KINDS[header.typeFlag];
  if (kind === undefined) return undefined;
  const size = number('size', header.size);
  if (size < 0) throw corruptTar('a negative size', offset);
  const mtime = pax?.get('mtime');
  const time = mtime ? paxTime(mtime, offset) : { sec: header.mtimeSec, nsec: 0 };
  return {
    kind,
    path,
    linkPath: extensions.gnuLink || text('linkpath', header.linkName),
    // The bits above are the file's type in some writers' headers; the type flag decides.
    mode: header.mode & 0o7777,
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    mtimeSec: time.sec,
    mtimeNsec: time.nsec,
    // Links, devices and directories have no data whatever their size says (Go's isHeaderOnlyType).
    size: kind === 'file' ? size : 0,
    sparse: undefined,
    devMajor: header.devMajor,
    devMinor: header.devMinor,
    xattrs: pax ? xattrsOfPax(pax, offset) : [],
    offset,
  };
}
