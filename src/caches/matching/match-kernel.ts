/**
 * The inner loop of the match index in WebAssembly, for its 128-bit operations: it counts for the 128 caches of a block at once,
 * about eight times as fast as JavaScript can. Assembled here by hand, as nothing else in Larder is compiled.
 *
 * A counter of a cache is a column of bits in the eight vectors a (ones), b (twos), … h; see BlockCounter for what it counts.
 */
export type Kernel = (
  /** Where the block's table begins: pairs of (page, level), then single pages, four at a time; all of these are in bytes. */
  table: number,
  pairsEnd: number,
  tableEnd: number,
  /** Of the block within each page. */
  offset: number,
  /** What every counter begins with. */
  start: number,
  /** The caches to count for, and where the results go: those that did not overflow, and of those the ones at 255. */
  among: number,
  result: number,
) => number;

export type KernelMemory = { readonly buffer: ArrayBuffer; grow(pages: number): number };
declare const WebAssembly: {
  Memory: new (limits: { initial: number }) => KernelMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: KernelMemory } }) => { exports: { count: Kernel } };
};

export function newKernelMemory(): KernelMemory {
  return new WebAssembly.Memory({ initial: 1 });
}

export function createKernel(memory: KernelMemory): Kernel {
  return new WebAssembly.Instance(KERNEL, { env: { memory } }).exports.count;
}

type Code = readonly number[];
const I32 = 0x7f;
const V128 = 0x7b;
const NOTHING = 0x40;

const join = (...parts: Code[]): Code => parts.flat();
/** LEB128, for what is not negative and below 2²⁸. */
function number(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...number(value >>> 7)];
}
const get = (local: number): Code => [0x20, ...number(local)];
const set = (local: number): Code => [0x21, ...number(local)];
/** Small numbers only: signed LEB128 of one byte. */
const constant = (value: number): Code => [0x41, value];
const loadNumber = (offset: number): Code => [0x28, 2, offset];
const branch = (depth: number): Code => [0x0c, depth];
const branchIf = (depth: number): Code => [0x0d, depth];
const END = 0x0b;
const block = (...parts: Code[]): Code => [0x02, NOTHING, ...parts.flat(), END];
const loop = (...parts: Code[]): Code => [0x03, NOTHING, ...parts.flat(), END];
const when = (...parts: Code[]): Code => [0x04, NOTHING, ...parts.flat(), END];
const IS_ZERO: Code = [0x45];
const EQUAL: Code = [0x46];
const AT_MOST: Code = [0x4d];
const ADD: Code = [0x6a];
const SUBTRACT: Code = [0x6b];
const AND: Code = [0x71];
const SHIFT_RIGHT: Code = [0x76];
const load: Code = [0xfd, 0, 4, 0];
const store = (offset: number): Code => [0xfd, 11, 4, offset];
const SPLAT: Code = [0xfd, 17];
const VNOT: Code = [0xfd, 77];
const VAND: Code = [0xfd, 78];
const VANDNOT: Code = [0xfd, 79];
const VOR: Code = [0xfd, 80];
const VXOR: Code = [0xfd, 81];
const ANY_TRUE: Code = [0xfd, 83];

const [TABLE, PAIRS_END, TABLE_END, OFFSET, START, AMONG, RESULT] = [0, 1, 2, 3, 4, 5, 6];
const PARAMETERS = 7;
const [WITHIN, X, Y, MISS0, MISS1, MISS2, MISS3, TWOS0, TWOS1] = [7, 8, 9, 10, 11, 12, 13, 14, 15];
const [A, B, C, D, E, F, G, H] = [16, 17, 18, 19, 20, 21, 22, 23];
const BITS = [A, B, C, D, E, F, G, H];
const VECTORS = 17;
const LEVEL = PARAMETERS + VECTORS;

/** target = bits of the block that the entry `offset` bytes on in the table lacks. */
const misses = (offset: number, target: number): Code =>
  join(get(TABLE), loadNumber(offset), get(OFFSET), ADD, load, VNOT, set(target));
/** carry = sum & value; sum ^= value. */
const addHalf = (sum: number, value: number, carry: number): Code =>
  join(get(sum), get(value), VAND, set(carry), get(sum), get(value), VXOR, set(sum));
/** carry = at least two of (sum, one, two); sum ^= one ^ two. */
const addFull = (sum: number, one: number, two: number, carry: number): Code =>
  join(
    join(get(sum), get(one), VXOR, set(X)),
    join(get(sum), get(one), VAND, get(X), get(two), VAND, VOR, set(carry)),
    join(get(X), get(two), VXOR, set(sum)),
  );
/** Adds to the highest bit; what is carried out of that is no longer within. */
const addHighest = (value: number): Code =>
  join(get(WITHIN), get(H), get(value), VAND, VANDNOT, set(WITHIN), get(H), get(value), VXOR, set(H));
const advance = (bytes: number): Code => join(get(TABLE), constant(bytes), ADD, set(TABLE));
/** Leaves the loop around it at the end of a part of the table, or when no cache is within. */
const leaveAt = (end: number): Code =>
  join(get(TABLE), get(end), EQUAL, branchIf(1), get(WITHIN), ANY_TRUE, IS_ZERO, branchIf(1));
/** bit number `index` of START, for all 128 caches. */
const begin = (bit: number, index: number): Code =>
  join(constant(0), get(START), constant(index), SHIFT_RIGHT, constant(1), AND, SUBTRACT, SPLAT, set(bit));

const PAIR_BYTES = 8;
const GROUP_BYTES = 16;
const VECTOR_BYTES = 16;
const BODY: Code = join(
  join(get(AMONG), load, set(WITHIN)),
  ...BITS.map(begin),
  block(
    loop(
      leaveAt(PAIRS_END),
      misses(0, X),
      join(get(TABLE), loadNumber(4), set(LEVEL)),
      ...[A, B, C, D, E, F].map((bit, index) =>
        join(get(LEVEL), constant(index), AT_MOST, when(addHalf(bit, X, Y), get(Y), set(X))),
      ),
      addHalf(G, X, Y),
      addHighest(Y),
      advance(PAIR_BYTES),
      branch(0),
    ),
  ),
  block(
    loop(
      leaveAt(TABLE_END),
      ...[MISS0, MISS1, MISS2, MISS3].map((miss, index) => misses(index * 4, miss)),
      addFull(A, MISS0, MISS1, TWOS0),
      addFull(A, MISS2, MISS3, TWOS1),
      addFull(B, TWOS0, TWOS1, Y),
      addHalf(C, Y, X),
      addHalf(D, X, Y),
      addHalf(E, Y, X),
      addHalf(F, X, Y),
      addHalf(G, Y, X),
      addHighest(X),
      advance(GROUP_BYTES),
      branch(0),
    ),
  ),
  join(get(RESULT), get(WITHIN), store(0)),
  join(get(RESULT), get(WITHIN), ...BITS.map((bit) => join(get(bit), VAND)), store(VECTOR_BYTES)),
  join(get(WITHIN), ANY_TRUE, [END]),
);

const section = (id: number, ...parts: Code[]): Code => [id, ...number(parts.flat().length), ...parts.flat()];
const name = (text: string): Code => [text.length, ...Buffer.from(text)];
const PARAMETER_TYPES = Array.from({ length: PARAMETERS }, () => I32);
const FUNCTION: Code = [2, VECTORS, V128, 1, I32, ...BODY];
/** One function, `count`, over the memory `env.memory`. */
const KERNEL = new WebAssembly.Module(
  Uint8Array.from(
    join(
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, PARAMETERS, ...PARAMETER_TYPES, 1, I32]),
      section(2, [1], name('env'), name('memory'), [2, 0, 1]),
      section(3, [1, 0]),
      section(7, [1], name('count'), [0, 0]),
      section(10, [1], number(FUNCTION.length), FUNCTION),
    ),
  ),
);
