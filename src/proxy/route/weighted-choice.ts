import type { HeaderMap } from "../../http/header-map.ts";
import type { Runtime } from "../api.ts";
import type { RouteEntry } from "./route-entry.ts";

export interface WeightedEntry {
  readonly entry: RouteEntry;
  readonly weight: number;
  /** Runtime key that replaces the weight; "" = none. */
  readonly runtimeKey: string;
}

const UNSIGNED = /^\d{1,20}$/;

/** Chooses among a route's clusters by weight. */
export class WeightedChoice {
  readonly #entries: readonly WeightedEntry[];
  readonly #runtime: Runtime;
  readonly #total: number;
  readonly #header: string;
  readonly #hasKeys: boolean;

  /** `header`, if not "", carries a number that is used instead of the random one. */
  constructor(entries: readonly WeightedEntry[], header: string, runtime: Runtime) {
    this.#entries = entries;
    this.#header = header;
    this.#runtime = runtime;
    this.#total = entries.reduce((sum, entry) => sum + entry.weight, 0);
    this.#hasKeys = entries.some((entry) => entry.runtimeKey !== "");
    if (this.#total === 0) throw new Error("Sum of weights in the weighted_cluster must be greater than 0.");
    if (this.#total > 0xffffffff)
      throw new Error("The sum of weights of all weighted clusters of route must be at most 4294967295");
  }

  choose(headers: HeaderMap, random: number): RouteEntry | undefined {
    const total = this.#hasKeys ? this.#sum() : this.#total;
    let point = this.#point(headers, random, total);
    for (let i = 0; i < this.#entries.length; i++) {
      point -= this.#weight(this.#entries[i]!);
      if (point < 0) return this.#entries[i]!.entry;
    }
    return undefined;
  }

  #point(headers: HeaderMap, random: number, total: number): number {
    if (this.#header !== "") {
      const value = headers.get(this.#header);
      if (value !== undefined && UNSIGNED.test(value)) return Number(BigInt(value) % BigInt(total));
    }
    return Math.floor(random * total);
  }

  #sum(): number {
    let total = 0;
    for (const entry of this.#entries) total += this.#weight(entry);
    return total;
  }

  #weight(entry: WeightedEntry): number {
    return entry.runtimeKey === "" ? entry.weight : this.#runtime.number(entry.runtimeKey, entry.weight);
  }
}
