import koffi from 'koffi';

/** `M_TRIM_THRESHOLD`, `M_MMAP_THRESHOLD` (malloc.h of glibc). */
const TRIM_THRESHOLD = -1;
const MMAP_THRESHOLD = -3;
/** A larger piece is mapped by itself, and gone once it is freed. Buffers of 256 KiB, made by the thousand, stay below. */
const MAPPED_BYTES = 512 << 10;

/**
 * Keeps glibc's malloc from holding what is freed. By itself it raises both thresholds to the largest piece it ever saw, up to
 * 32 MiB, and leaves holes of such sizes in its heap: mallopt(3). The returned function gives back the pages that are
 * free, malloc_trim(3), a matter of milliseconds. Nothing is changed where the C library is another one.
 */
export function tuneMalloc(): () => void {
  const library = koffi.load(null);
  try {
    const mallopt = library.func('int mallopt(int, int)');
    const trim = library.func('int malloc_trim(size_t)');
    mallopt(MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(TRIM_THRESHOLD, MAPPED_BYTES);
    return () => void trim(0);
  } catch {
    return () => undefined;
  }
}
