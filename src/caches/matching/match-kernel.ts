/**
 * The inner loops of the match index in WebAssembly, for its 128-bit operations: they count for the 128 caches of a block at
 * once, about eight times as fast as JavaScript can. Assembled here by hand, as nothing else in Larder is compiled.
 *
 * A counter of a cache is a column of bits in some vectors, the ones first; see BlockCounter for what it counts. All addresses
 * are in bytes.
 */
import {
  ADD,
  AND,
  ANY_TRUE,
  assemble,
  block,
  branch,
  branchIf,
  type Code,
  call,
  constant,
  DROP,
  EQUAL,
  get,
  IS_ZERO,
  join,
  load,
  loadNumber,
  loop,
  type Memory,
  type Procedure,
  RETURN,
  SHIFT_LEFT,
  SHIFT_RIGHT,
  set,
  store,
  storeNumber,
  tee,
  VAND,
  VANDNOT,
  VNOT,
  VOR,
  VXOR,
  when,
  XOR,
} from './match-wasm.ts';

export const VECTOR_BYTES = 16;
const [ENTRY_BYTES, ENTRY_SHIFT] = [4, 2];
/** Bits of counters that are enough for 20 images, which most queries have at most, and for 100. */
export const COUNTER_BITS = [5, 8] as const;
/** There is code for so many sums of short lists. */
export const PLANE_COUNTS = [0, 2, 4, 7] as const;
/** Bitmaps are added up so many at a time. */
export const GROUP = 4;
/** Blocks whose bits one page has; each page has a table of its own. */
export const PAGE_BLOCK_BITS = 9;
/** A table: the pages of the planes, then of the bitmaps. */
const TABLE_SHIFT = 9;
export const TABLE_BYTES = 1 << TABLE_SHIFT;

/** What a count is told, from an address on: its tables, how many planes they have, where a table ends, who is counted. */
const COUNT_BYTES = 256;
export const COUNT = { tables: 0, planes: 4, size: 8, among: 12, within: 16, exactly: 32, start: 48 } as const;
/** Where the arguments and results of `scan` are. */
export const ARGUMENTS = {
  /** Counts of full matches and of hits: of those wanted, and of those too good. */
  full: 256,
  hits: 256 + COUNT_BYTES,
  fullCeiling: 256 + 2 * COUNT_BYTES,
  hitsCeiling: 256 + 3 * COUNT_BYTES,
  /** The bits of the caches in use. */
  used: 0,
  /** 0 when nothing is too good. */
  hasCeiling: 4,
  /** The caches found in a block. */
  wanted: 16,
  /** Always empty. */
  none: 32,
} as const;

export type Kernel = {
  /**
   * Goes through the numbers of blocks from `at` to `end`, up to one with wanted caches, where it returns: those that `full`
   * counts, and of those with exactly as many as it takes only those that `hits` counts too; but none that the ceilings do.
   */
  readonly scan: Readonly<Record<(typeof COUNTER_BITS)[number], (at: number, end: number) => number>>;
  /**
   * Adds one for each ordinal from `at` to `end` to the sums of which `ones` and `twos` are the two lowest bits; those that
   * carry into the fours are left from `at` on, up to what it returns.
   */
  readonly add: (at: number, end: number, ones: number, twos: number) => number;
};

/** From here on what a procedure names is a local variable of it. */
const [TABLE, PLANES, TABLE_END, OFFSET, COUNT_AT, AMONG] = [0, 1, 2, 3, 4, 5];
const COUNT_PARAMETERS = 6;
const [WITHIN, X, CARRY, ONE, TWO, THREE, FOUR, TWOS] = [6, 7, 8, 9, 10, 11, 12, 13];
const FIRST_BIT = 14;

/**
 * Counts misses for a block, from so high a start that the counter overflows with one too many; stops once all have. Sums of
 * bits and carries: a bitmap's bit is a miss that is not there, and carries of misses are best kept as what is not there, too.
 */
function count(bitCount: number): Procedure {
  const bits = Array.from({ length: bitCount }, (_, index) => FIRST_BIT + index);
  const [a = 0, b = 0, c = 0] = bits;
  const entry = (index: number): Code => join(get(TABLE), loadNumber(index * ENTRY_BYTES), get(OFFSET), ADD, load(0));
  /** Adds CARRY to the bits given, of which the last is the highest: what is carried out of that is no longer within. */
  const ripple = (some: readonly number[]): Code =>
    join(
      ...some.map((bit) =>
        join(get(bit), get(CARRY), VAND, set(X), get(bit), get(CARRY), VXOR, set(bit), get(X), set(CARRY)),
      ),
      join(get(WITHIN), get(CARRY), VANDNOT, set(WITHIN)),
    );
  /** Adds the misses of ONE, leaving CARRY. */
  const addMiss = (bit: number, one: number): Code =>
    join(join(get(bit), get(one), VXOR, set(X), get(bit), get(one), VANDNOT, set(CARRY)), join(get(X), VNOT, set(bit)));
  /** Adds the misses of ONE, and CARRY, leaving CARRY. */
  const addMissAndCarry = (bit: number, one: number): Code =>
    join(
      join(get(bit), get(one), VXOR, set(X)),
      join(get(CARRY), get(X), VANDNOT, get(bit), get(X), VAND, VOR),
      join(get(X), get(CARRY), VXOR, VNOT, set(bit), set(CARRY)),
    );
  /** Adds the misses of two; `twos` gets where none is carried. */
  const addTwo = (bit: number, one: number, two: number, twos: number): Code =>
    join(
      join(get(bit), get(one), VXOR, set(X)),
      join(get(two), get(X), VANDNOT, get(X), get(bit), VANDNOT, VOR),
      join(get(X), get(two), VXOR, set(bit), set(twos)),
    );
  const addPlanes = (planeCount: number): Code =>
    join(
      ...bits
        .slice(0, planeCount)
        .map((bit, level) => join(entry(level), set(ONE), level === 0 ? addMiss(bit, ONE) : addMissAndCarry(bit, ONE))),
      ripple(bits.slice(planeCount)),
      join(get(TABLE), constant(planeCount * ENTRY_BYTES), ADD, set(TABLE)),
    );
  const planeCounts = PLANE_COUNTS.filter((planeCount) => planeCount > 0 && planeCount < bitCount);
  const body = join(
    join(get(AMONG), load(0), set(WITHIN)),
    ...bits.map((bit, index) => join(get(COUNT_AT), load(COUNT.start + index * VECTOR_BYTES), set(bit))),
    ...planeCounts.map((planeCount) => join(get(PLANES), constant(planeCount), EQUAL, when(addPlanes(planeCount)))),
    block(
      loop(
        join(get(TABLE), get(TABLE_END), EQUAL, branchIf(1), get(WITHIN), ANY_TRUE, IS_ZERO, branchIf(1)),
        ...[ONE, TWO, THREE, FOUR].map((local, index) => join(entry(index), set(local))),
        addTwo(a, ONE, TWO, TWOS),
        addTwo(a, THREE, FOUR, ONE),
        addTwo(b, TWOS, ONE, TWO),
        addMiss(c, TWO),
        ripple(bits.slice(3)),
        join(get(TABLE), constant(GROUP * ENTRY_BYTES), ADD, set(TABLE)),
        branch(0),
      ),
    ),
    join(get(COUNT_AT), get(WITHIN), store(COUNT.within)),
    join(get(COUNT_AT), get(WITHIN), ...bits.map((bit) => join(get(bit), VAND)), store(COUNT.exactly)),
    join(get(WITHIN), ANY_TRUE),
  );
  const vectors = FIRST_BIT - COUNT_PARAMETERS + bitCount;
  return { name: `count${bitCount}`, parameters: COUNT_PARAMETERS, numbers: 0, vectors, body };
}

function scan(bitCount: number, counting: number): Procedure {
  const [AT, NUMBERS_END, BLOCK, PAGE_TABLE, IN_PAGE, FOUND] = [0, 1, 2, 3, 4, 5];
  const argument = (address: number): Code => join(constant(0), loadNumber(address));
  const vector = (address: number): Code => join(constant(0), load(address));
  const counted = (at: number, among: Code): Code =>
    join(
      join(argument(at + COUNT.tables), get(PAGE_TABLE), ADD),
      argument(at + COUNT.planes),
      join(argument(at + COUNT.tables), get(PAGE_TABLE), ADD, argument(at + COUNT.size), ADD),
      join(get(IN_PAGE), constant(at), among, call(counting)),
    );
  /** Those with more full matches than asked for, and those with as many and enough hits. */
  const better = (full: number, hits: number): Code =>
    join(
      join(vector(full + COUNT.within), vector(full + COUNT.exactly), VANDNOT),
      join(vector(hits + COUNT.within), VOR),
    );
  const { full, hits, fullCeiling, hitsCeiling, used, hasCeiling, wanted } = ARGUMENTS;
  const body = join(
    block(
      loop(
        join(get(AT), get(NUMBERS_END), EQUAL, branchIf(1)),
        join(get(AT), loadNumber(0), tee(BLOCK), constant((1 << PAGE_BLOCK_BITS) - 1), AND),
        join(constant(4), SHIFT_LEFT, set(IN_PAGE)),
        join(get(BLOCK), constant(PAGE_BLOCK_BITS), SHIFT_RIGHT, constant(TABLE_SHIFT), SHIFT_LEFT, set(PAGE_TABLE)),
        counted(full, join(argument(used), get(BLOCK), constant(4), SHIFT_LEFT, ADD)),
        when(
          join(counted(hits, argument(hits + COUNT.among)), DROP),
          join(better(full, hits), set(FOUND), constant(0), get(FOUND), store(wanted)),
          join(argument(hasCeiling)),
          when(
            join(counted(fullCeiling, argument(fullCeiling + COUNT.among)), DROP),
            join(counted(hitsCeiling, argument(hitsCeiling + COUNT.among)), DROP),
            join(get(FOUND), better(fullCeiling, hitsCeiling), VANDNOT, set(FOUND)),
            join(constant(0), get(FOUND), store(wanted)),
          ),
          join(get(FOUND), ANY_TRUE, when(get(AT), RETURN)),
        ),
        join(get(AT), constant(ENTRY_BYTES), ADD, set(AT)),
        branch(0),
      ),
    ),
    get(AT),
  );
  return { name: `scan${bitCount}`, parameters: 2, numbers: 3, vectors: 1, body };
}

function add(): Procedure {
  const [AT, LIST_END, ONES, TWOS_AT, LEFT, ORDINAL, BIT, WORD, BEFORE] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  /** Flips the bit in a plane; whether it was set. */
  const flip = (plane: number): Code =>
    join(
      join(get(ORDINAL), constant(5), SHIFT_RIGHT, constant(ENTRY_SHIFT), SHIFT_LEFT, get(plane), ADD, tee(WORD)),
      join(get(WORD), loadNumber(0), tee(BEFORE), get(BIT), XOR, storeNumber(0)),
      join(get(BEFORE), get(BIT), AND),
    );
  const body = join(
    join(get(AT), set(LEFT)),
    block(
      loop(
        join(get(AT), get(LIST_END), EQUAL, branchIf(1)),
        // A shift takes the number of the bit modulo 32.
        join(constant(1), get(AT), loadNumber(0), tee(ORDINAL), SHIFT_LEFT, set(BIT)),
        join(
          flip(ONES),
          when(
            flip(TWOS_AT),
            when(join(get(LEFT), get(ORDINAL), storeNumber(0)), join(get(LEFT), constant(ENTRY_BYTES), ADD, set(LEFT))),
          ),
        ),
        join(get(AT), constant(ENTRY_BYTES), ADD, set(AT)),
        branch(0),
      ),
    ),
    get(LEFT),
  );
  return { name: 'add', parameters: 4, numbers: 5, vectors: 0, body };
}

const [FEW, MANY] = COUNTER_BITS;
const PROCEDURES = [count(FEW), count(MANY), scan(FEW, 0), scan(MANY, 1), add()];
const instantiate = assemble(PROCEDURES);

export function createKernel(memory: Memory): Kernel {
  const exports = instantiate(memory);
  const named = (name: string) => {
    const found = exports[name];
    if (found === undefined) throw new RangeError(`no procedure ${name}`);
    return found;
  };
  return { scan: { [FEW]: named(`scan${FEW}`), [MANY]: named(`scan${MANY}`) }, add: named('add') };
}
