import type { Runtime } from "./api.ts";

/** Merged runtime values of one thread. */
export class RuntimeValues implements Runtime {
  readonly #random: () => number;
  #values: Readonly<Record<string, string | number | boolean>> = {};

  /** @param random uniform in [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  set(values: Readonly<Record<string, string | number | boolean>>): void {
    this.#values = values;
  }

  number(key: string, fallback: number): number {
    const value = this.#values[key];
    if (value === undefined) return fallback;
    const number = Number(value);
    return Number.isFinite(number) ? number : fallback;
  }

  fraction(key: string, numerator: number, denominator: number): boolean {
    const value = key === "" ? undefined : this.#values[key];
    // A bare number in the runtime means percent, whatever the denominator of the configuration is.
    if (value !== undefined && Number.isFinite(Number(value))) return this.#random() * 100 < Number(value);
    if (numerator >= denominator) return true;
    return numerator > 0 && this.#random() * denominator < numerator;
  }
}
