const SHARDS = 256;
const HASHED_CHARACTERS = 12;
const NAME_PAGE_BITS = 12;
const NAME_PAGE_MASK = (1 << NAME_PAGE_BITS) - 1;

/** A map from text to a number, in parts: a Map that grows copies itself, which would take long at a million keys. */
export class TextMap {
  readonly #shards: (Map<string, number> | undefined)[] = Array.from({ length: SHARDS }, () => undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): number | undefined {
    return this.#shards[shardOf(key)]?.get(key);
  }

  set(key: string, value: number): void {
    const number = shardOf(key);
    const shard = this.#shards[number] ?? new Map<string, number>();
    const before = shard.size;
    shard.set(key, value);
    this.#shards[number] = shard;
    this.#size += shard.size - before;
  }

  delete(key: string): void {
    if (this.#shards[shardOf(key)]?.delete(key)) this.#size--;
  }
}

/** A text that is looked up again and again, with the number it had the last time, in whichever dictionary. */
export type Word = { readonly text: string; lastNumber: number };

/** Small numbers for texts, used again once a text is released. */
export class Dictionary {
  readonly #numbers = new TextMap();
  readonly #names: string[][] = [];
  readonly #free: number[] = [];
  #end = 0;

  /** One more than the highest number ever given. */
  get end(): number {
    return this.#end;
  }

  /** The number of a text that has one. */
  find(word: Word): number | undefined {
    const { text, lastNumber } = word;
    if (this.#names[lastNumber >>> NAME_PAGE_BITS]?.[lastNumber & NAME_PAGE_MASK] === text) return lastNumber;
    const number = this.#numbers.get(text);
    if (number !== undefined) word.lastNumber = number;
    return number;
  }

  /** The number of a text, a new one if it has none. */
  number(word: Word): number {
    const known = this.find(word);
    if (known !== undefined) return known;
    word.lastNumber = this.#add(word.text);
    return word.lastNumber;
  }

  #add(text: string): number {
    const number = this.#free.pop() ?? this.#end++;
    this.#numbers.set(text, number);
    const page = this.#names[number >>> NAME_PAGE_BITS] ?? [];
    page[number & NAME_PAGE_MASK] = text;
    this.#names[number >>> NAME_PAGE_BITS] = page;
    return number;
  }

  release(number: number): void {
    const page = this.#names[number >>> NAME_PAGE_BITS];
    const text = page?.[number & NAME_PAGE_MASK];
    if (page === undefined || text === undefined) return;
    page[number & NAME_PAGE_MASK] = '';
    this.#numbers.delete(text);
    this.#free.push(number);
  }
}

/** FNV-1a over the end of the text, where references and ids differ most. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5 ^ key.length;
  for (let index = Math.max(0, key.length - HASHED_CHARACTERS); index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) & (SHARDS - 1);
}
