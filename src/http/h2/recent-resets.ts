const SIZE = 32;

/** The latest streams that we have reset. The peer may still send on them, not knowing yet: that is no fault. */
export class RecentResets {
  #ids: Uint32Array | null = null;
  #count = 0;

  add(id: number): void {
    this.#ids ??= new Uint32Array(SIZE);
    this.#ids[this.#count++ & (SIZE - 1)] = id;
  }

  has(id: number): boolean {
    return this.#ids !== null && this.#ids.includes(id);
  }
}
