/** Just enough of an assembler for WebAssembly to write the kernel of the match index with. */
export type Code = readonly number[];

export type Memory = { readonly buffer: ArrayBuffer; grow(pages: number): number };
type Exports = Readonly<Record<string, (...parameters: number[]) => number>>;
declare const WebAssembly: {
  Memory: new (limits: { initial: number }) => Memory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: Memory } }) => { exports: Exports };
};

export function newMemory(): Memory {
  return new WebAssembly.Memory({ initial: 1 });
}

const I32 = 0x7f;
const V128 = 0x7b;
const NOTHING = 0x40;
const END = 0x0b;

export const join = (...parts: Code[]): Code => parts.flat();
/** LEB128, for what is not negative and below 2²⁸. */
const number = (value: number): Code => (value < 128 ? [value] : [(value & 127) | 128, ...number(value >>> 7)]);
/** Signed LEB128, for the same. */
const signed = (value: number): Code => (value < 64 ? [value] : [(value & 127) | 128, ...signed(value >>> 7)]);

export const get = (local: number): Code => [0x20, ...number(local)];
export const set = (local: number): Code => [0x21, ...number(local)];
export const tee = (local: number): Code => [0x22, ...number(local)];
export const constant = (value: number): Code => [0x41, ...signed(value)];
export const call = (index: number): Code => [0x10, ...number(index)];
export const branch = (depth: number): Code => [0x0c, depth];
export const branchIf = (depth: number): Code => [0x0d, depth];
export const block = (...parts: Code[]): Code => [0x02, NOTHING, ...parts.flat(), END];
export const loop = (...parts: Code[]): Code => [0x03, NOTHING, ...parts.flat(), END];
export const when = (...parts: Code[]): Code => [0x04, NOTHING, ...parts.flat(), END];
export const RETURN: Code = [0x0f];
export const DROP: Code = [0x1a];
export const IS_ZERO: Code = [0x45];
export const EQUAL: Code = [0x46];
export const ADD: Code = [0x6a];
export const AND: Code = [0x71];
export const XOR: Code = [0x73];
export const SHIFT_LEFT: Code = [0x74];
export const SHIFT_RIGHT: Code = [0x76];
export const loadNumber = (offset: number): Code => [0x28, 2, ...number(offset)];
export const storeNumber = (offset: number): Code => [0x36, 2, ...number(offset)];

/** The 128-bit operations. */
export const load = (offset: number): Code => [0xfd, 0, 4, ...number(offset)];
export const store = (offset: number): Code => [0xfd, 11, 4, ...number(offset)];
export const VNOT: Code = [0xfd, 77];
export const VAND: Code = [0xfd, 78];
/** The first, but not the second. */
export const VANDNOT: Code = [0xfd, 79];
export const VOR: Code = [0xfd, 80];
export const VXOR: Code = [0xfd, 81];
export const ANY_TRUE: Code = [0xfd, 83];

/** Takes `parameters` numbers and gives one; its further locals are numbers first, then vectors. */
export type Procedure = {
  readonly name: string;
  readonly parameters: number;
  readonly numbers: number;
  readonly vectors: number;
  readonly body: Code;
};

const section = (id: number, ...parts: Code[]): Code => [id, ...number(parts.flat().length), ...parts.flat()];
const text = (value: string): Code => [value.length, ...Buffer.from(value)];

/** Procedures over the memory `env.memory`; they call each other by their place in the list. */
export function assemble(procedures: readonly Procedure[]): (memory: Memory) => Exports {
  const count = number(procedures.length);
  const types = procedures.map(({ parameters }) => [
    0x60,
    parameters,
    ...Array.from({ length: parameters }, () => I32),
    1,
    I32,
  ]);
  const bodies = procedures.map(({ numbers, vectors, body }) => {
    const code = [2, ...number(numbers), I32, ...number(vectors), V128, ...body, END];
    return [...number(code.length), ...code];
  });
  const module = new WebAssembly.Module(
    Uint8Array.from(
      join(
        [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
        section(1, count, ...types),
        section(2, [1], text('env'), text('memory'), [2, 0, 1]),
        section(3, count, ...procedures.map((_, index) => number(index))),
        section(7, count, ...procedures.map(({ name }, index) => [...text(name), 0, ...number(index)])),
        section(10, count, ...bodies),
      ),
    ),
  );
  return (memory) => new WebAssembly.Instance(module, { env: { memory } }).exports;
}
