import type { FieldCode } from "./field-code.ts";

/** What RFC 7541 section 4.1 adds to the lengths of name and value. */
export const ENTRY_OVERHEAD = 32;
const FIRST_CAPACITY = 8;

/**
 * The decoder's dynamic table (RFC 7541 section 2.3.2) as a ring of parallel arrays, plain ones since small typed arrays
 * take more memory. Holds none while empty.
 */
export class DynamicTable {
  /** Entries at the moment. */
  count = 0;
  #size = 0;
  #maxSize: number;
  #next = 0;
  #mask = -1;
  #names: string[] = [];
  #values: string[] = [];
  #codes: FieldCode[] = [];

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Sum of the sizes of all entries. */
  get size(): number {
    return this.#size;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    while (this.#size > maxSize) this.#evict();
  }

  /** Adds an entry; one that is larger than the table empties it (section 4.4). */
  add(code: FieldCode, name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD;
    const limit = this.#maxSize - size;
    while (this.#size > limit && this.count > 0) this.#evict();
    if (limit < 0) return;
    if (this.count > this.#mask) this.#enlarge();
    const at = this.#next & this.#mask;
    this.#names[at] = name;
    this.#values[at] = value;
    this.#codes[at] = code;
    this.#next = (at + 1) & this.#mask;
    this.count++;
    this.#size += size;
  }

  /** Where an entry stands; `age` 0 is the newest and must be below `count`. */
  slot(age: number): number {
    return (this.#next - 1 - age) & this.#mask;
  }

  name(slot: number): string {
    return this.#names[slot]!;
  }

  value(slot: number): string {
    return this.#values[slot]!;
  }

  code(slot: number): FieldCode {
    return this.#codes[slot]!;
  }

  #evict(): void {
    const at = this.slot(this.count - 1);
    this.#size -= this.#names[at]!.length + this.#values[at]!.length + ENTRY_OVERHEAD;
    this.#names[at] = this.#values[at] = "";
    this.count--;
    if (this.count === 0 && this.#maxSize === 0) {
      this.#names = [];
      this.#values = [];
      this.#codes = [];
      this.#mask = -1;
    }
  }

  #enlarge(): void {
    const capacity = this.#mask < 0 ? FIRST_CAPACITY : (this.#mask + 1) * 2;
    const names = new Array<string>(capacity).fill("");
    const values = new Array<string>(capacity).fill("");
    const codes = new Array<FieldCode>(capacity).fill(0);
    for (let age = this.count - 1, to = 0; age >= 0; age--, to++) {
      const from = this.slot(age);
      names[to] = this.#names[from]!;
      values[to] = this.#values[from]!;
      codes[to] = this.#codes[from]!;
    }
    this.#names = names;
    this.#values = values;
    this.#codes = codes;
    this.#mask = capacity - 1;
    this.#next = this.count;
  }
}
