/** Bytes of a file, the first and the one behind the last; `unsatisfiable` where nothing of the range is there. */
export type ByteRange = { readonly from: number; readonly end: number } | 'unsatisfiable';

const SINGLE_RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * Reads a Range header (RFC 9110, 14.2) for a file of `size` bytes. Undefined means all of it: without a header, and where
 * the header is not understood or names several ranges, which a server may answer so.
 */
export function parseByteRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = SINGLE_RANGE.exec(header?.replaceAll(/[ \t]/g, '') ?? '');
  if (!match) return undefined;
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  if (first === '') {
    if (last === '') return undefined;
    const suffix = Math.min(Number(last), size);
    return suffix === 0 ? 'unsatisfiable' : { from: size - suffix, end: size };
  }
  if (last !== '' && Number(last) < Number(first)) return undefined;
  if (Number(first) >= size) return 'unsatisfiable';
  return { from: Number(first), end: last === '' ? size : Math.min(Number(last) + 1, size) };
}
