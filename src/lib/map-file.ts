import { SystemCallError } from './system-call-error.ts';

/** `PROT_READ`, `MAP_SHARED`, `MAP_FAILED` (sys/mman.h). */
const READ_ONLY = 1;
const SHARED = 1;
const FAILED = 2n ** 64n - 1n;

/** `memory` may neither be written to nor looked at after `unmap`: either ends the process. */
export type MappedFile = { readonly memory: ArrayBuffer; readonly unmap: () => void };

/**
 * The first bytes of an open file as memory that shows what others write to it, mmap(2). The file must have so many, and keep
 * them. Throws {@link SystemCallError}.
 */
export async function mapFile(file: number, bytes: number): Promise<MappedFile> {
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const mmap = library.func('void *mmap(void *, size_t, int, int, int, int64_t)');
  const munmap = library.func('int munmap(void *, size_t)');
  const address: unknown = mmap(null, bytes, READ_ONLY, SHARED, file, 0);
  if (BigInt.asUintN(64, koffi.address(address)) === FAILED) {
    const errno = koffi.errno();
    const [name = `errno ${errno}`] = Object.entries(koffi.os.errno).find(([, number]) => number === errno) ?? [];
    throw new SystemCallError('mmap', name);
  }
  return { memory: koffi.view(address, bytes), unmap: () => void munmap(address, bytes) };
}
