/** Waiting times between attempts: each random in [0, bound), the bound doubling from `base` up to `max` milliseconds. */
export class JitteredBackoff {
  readonly #base: number;
  readonly #max: number;
  readonly #random: () => number;
  #bound: number;

  constructor(base: number, max: number, random: () => number = Math.random) {
    this.#base = base;
    this.#max = max;
    this.#random = random;
    this.#bound = base;
  }

  next(): number {
    const wait = this.#random() * this.#bound;
    this.#bound = Math.min(this.#max, this.#bound * 2);
    return wait;
  }

  reset(): void {
    this.#bound = this.#base;
  }
}
