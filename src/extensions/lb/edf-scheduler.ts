/**
 * Earliest deadline first: spreads picks evenly in proportion to weights. An entry's deadline is the time of its last
 * pick plus 1/weight; equal deadlines go in the order of insertion, as in Envoy. Nothing is allocated after construction.
 */
export class EdfScheduler {
  /** Entry numbers in heap order: the earliest deadline first. */
  readonly #heap: Int32Array;
  readonly #deadlines: Float64Array;
  readonly #orders: Float64Array;
  /** A deadline is base + turns / weight: one division keeps deadlines that should be equal equal, adding up would not. */
  readonly #bases: Float64Array;
  readonly #turns: Float64Array;
  readonly #weights: Float64Array;
  #size = 0;
  #inserted = 0;

  /**
   * @param weights of entries 0, 1, …; entries that weigh nothing take no part
   * @param phase in [0, 1): where in the repeating sequence to begin
   */
  constructor(weights: readonly number[], phase: number) {
    this.#heap = new Int32Array(weights.length);
    this.#deadlines = new Float64Array(weights.length);
    this.#orders = new Float64Array(weights.length);
    this.#bases = new Float64Array(weights.length);
    this.#turns = new Float64Array(weights.length);
    this.#weights = Float64Array.from(weights);
    let sum = 0;
    for (const weight of weights) if (weight > 0) sum += weight;
    const skipped = Math.floor(phase * sum);
    let left = skipped;
    for (let entry = 0; entry < weights.length; entry++) {
      const weight = weights[entry]!;
      if (!(weight > 0)) continue;
      // What a whole number of picks each comes to is skipped at once, the rest is picked below.
      const picked = Math.floor((skipped * weight) / sum);
      left -= picked;
      this.#turns[entry] = picked + 1;
      this.#insert(entry, (picked + 1) / weight);
    }
    for (; left > 0; left--) this.advance(weights[this.peek()]!);
  }

  /** Entries that take part. */
  get size(): number {
    return this.#size;
  }

  /** The entry whose turn it is, or -1 when there is none. */
  peek(): number {
    return this.#size === 0 ? -1 : this.#heap[0]!;
  }

  /** Takes the turn of the entry that `peek` showed; `weight` decides when it comes again. */
  advance(weight: number): void {
    const entry = this.#heap[0]!;
    if (weight !== this.#weights[entry]) {
      this.#weights[entry] = weight;
      this.#bases[entry] = this.#deadlines[entry]!;
      this.#turns[entry] = 0;
    }
    this.#deadlines[entry] = this.#bases[entry]! + ++this.#turns[entry]! / weight;
    this.#orders[entry] = this.#inserted++;
    this.#sink(0);
  }

  #insert(entry: number, deadline: number): void {
    this.#deadlines[entry] = deadline;
    this.#orders[entry] = this.#inserted++;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(entry, this.#heap[parent]!)) break;
      this.#heap[at] = this.#heap[parent]!;
      at = parent;
    }
    this.#heap[at] = entry;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const entry = heap[from]!;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#deadlines[a]! - this.#deadlines[b]!;
    return difference < 0 || (difference === 0 && this.#orders[a]! < this.#orders[b]!);
  }
}

/** Whether all weights are the same, so that nothing needs to be scheduled. */
export function weightsAreEqual(hosts: readonly { readonly weight: number }[]): boolean {
  for (let i = 1; i < hosts.length; i++) if (hosts[i]!.weight !== hosts[0]!.weight) return false;
  return true;
}
