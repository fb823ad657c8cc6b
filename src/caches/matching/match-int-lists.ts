const PAGE_BITS = 14;
const PAGE_SIZE = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_SIZE - 1;
const NO_PAGE = new Uint32Array(0);

/** A growing array of numbers below 2³², in pages, so that no growth copies much at once; what was never set is 0. */
export class Column {
  readonly #pages: Uint32Array[] = [];

  get(index: number): number {
    return this.#pages[index >>> PAGE_BITS]?.[index & PAGE_MASK] ?? 0;
  }

  set(index: number, value: number): void {
    const number = index >>> PAGE_BITS;
    while (this.#pages.length <= number) this.#pages.push(new Uint32Array(PAGE_SIZE));
    const page = this.#pages[number];
    if (page !== undefined) page[index & PAGE_MASK] = value;
  }
}

/** Room that a short list can get; a longer list gets a page of its own. */
const CAPACITIES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512];
for (let room = 640; room <= PAGE_SIZE; room += room >> 2) CAPACITIES.push(room);
/** By count. */
const ROOMS = new Uint16Array((CAPACITIES.at(-1) ?? 0) + 1);
for (let count = 1, at = 0; count < ROOMS.length; count++) {
  if (count > (CAPACITIES[at] ?? 0)) at++;
  ROOMS[count] = CAPACITIES[at] ?? 0;
}
const OWN_PAGE_GROWTH = 1.25;
const SHORT_MOVE = 24;

/**
 * Millions of lists of ascending numbers in few typed arrays: a list costs its numbers, a quarter of slack, and three words.
 * A list is named by a number that its owner chooses; what was never written is empty.
 */
export class IntLists {
  readonly #pages: Uint32Array[] = [];
  readonly #starts = new Column();
  readonly #counts = new Column();
  readonly #rooms = new Column();
  readonly #freeRooms = new Map<number, number[]>();
  readonly #freePages: number[] = [];
  #end = 0;
  #endOfPage = 0;

  count(list: number): number {
    return this.#counts.get(list);
  }

  /** The page that holds the list, from `offset(list)` on; valid until the next change. */
  page(list: number): Uint32Array {
    return this.#rooms.get(list) === 0 ? NO_PAGE : (this.#pages[this.#starts.get(list) >>> PAGE_BITS] ?? NO_PAGE);
  }

  offset(list: number): number {
    return this.#starts.get(list) & PAGE_MASK;
  }

  values(list: number): Uint32Array {
    return this.page(list).slice(this.offset(list), this.offset(list) + this.count(list));
  }

  /** Adds a number if it is not there; how many there are then. */
  insert(list: number, value: number): number {
    const count = this.#counts.get(list);
    let page = this.page(list);
    let offset = this.offset(list);
    const at = find(page, offset, count, value);
    if (at < count && page[offset + at] === value) return count;
    if (count === this.#rooms.get(list)) {
      this.#move(list, roomFor(count + 1), count);
      page = this.page(list);
      offset = this.offset(list);
    }
    shift(page, offset + at, offset + count, 1);
    page[offset + at] = value;
    this.#counts.set(list, count + 1);
    return count + 1;
  }

  /** Takes a number out; nothing happens when it is not there. */
  delete(list: number, value: number): void {
    const count = this.count(list);
    const page = this.page(list);
    const offset = this.offset(list);
    const at = find(page, offset, count, value);
    if (at === count || page[offset + at] !== value) return;
    if (count === 1) {
      this.clear(list);
      return;
    }
    shift(page, offset + at + 1, offset + count, -1);
    this.#counts.set(list, count - 1);
    // Half of the room is kept, so that a list going up and down does not move each time.
    if (count - 1 < this.#rooms.get(list) >> 2) this.#move(list, roomFor((count - 1) * 2), count - 1);
  }

  /** Replaces the list; only ascending values allow `insert` and `delete`. */
  assign(list: number, values: ArrayLike<number>): void {
    this.clear(list);
    if (values.length === 0) return;
    this.#move(list, roomFor(values.length), 0);
    this.page(list).set(values, this.offset(list));
    this.#counts.set(list, values.length);
  }

  clear(list: number): void {
    this.#release(list);
    this.#rooms.set(list, 0);
    this.#counts.set(list, 0);
  }

  /** Gives the numbers of one list to another, which must be empty. */
  rename(from: number, to: number): void {
    for (const column of [this.#starts, this.#counts, this.#rooms]) {
      column.set(to, column.get(from));
      column.set(from, 0);
    }
  }

  #move(list: number, room: number, count: number): void {
    const page = this.page(list);
    const offset = this.offset(list);
    const start = this.#take(room);
    const target = this.#pages[start >>> PAGE_BITS] ?? NO_PAGE;
    for (let index = 0; index < count; index++) target[(start & PAGE_MASK) + index] = page[offset + index] ?? 0;
    this.#release(list);
    this.#starts.set(list, start);
    this.#rooms.set(list, room);
  }

  #take(room: number): number {
    if (room > PAGE_SIZE) return this.#newPage(room);
    const free = this.#freeRooms.get(room)?.pop();
    if (free !== undefined) return free;
    if (this.#end + room > this.#endOfPage) {
      this.#end = this.#newPage(PAGE_SIZE);
      this.#endOfPage = this.#end + PAGE_SIZE;
    }
    this.#end += room;
    return this.#end - room;
  }

  #newPage(size: number): number {
    const number = this.#freePages.pop() ?? this.#pages.length;
    this.#pages[number] = new Uint32Array(size);
    return number * PAGE_SIZE;
  }

  #release(list: number): void {
    const room = this.#rooms.get(list);
    const start = this.#starts.get(list);
    if (room === 0) return;
    if (room > PAGE_SIZE) {
      this.#pages[start >>> PAGE_BITS] = NO_PAGE;
      this.#freePages.push(start >>> PAGE_BITS);
      return;
    }
    const free = this.#freeRooms.get(room);
    if (free === undefined) this.#freeRooms.set(room, [start]);
    else free.push(start);
  }
}

function roomFor(count: number): number {
  return ROOMS[count] ?? Math.ceil(count * OWN_PAGE_GROWTH);
}

/** Where a number is in `page[offset, offset + count)`, or belongs, counted from `offset`. */
function find(page: Uint32Array, offset: number, count: number, value: number): number {
  // New numbers are mostly the highest.
  if (count === 0 || (page[offset + count - 1] ?? 0) < value) return count;
  let low = offset;
  let high = offset + count - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((page[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low - offset;
}

/** Moves `page[from, to)` by `by` places; short moves are faster by hand than by a call. */
function shift(page: Uint32Array, from: number, to: number, by: 1 | -1): void {
  if (to - from > SHORT_MOVE) page.copyWithin(from + by, from, to);
  else if (by === 1) for (let index = to; index > from; index--) page[index] = page[index - 1] ?? 0;
  else for (let index = from; index < to; index++) page[index - 1] = page[index] ?? 0;
}
