import { HistogramView } from "./histogram.ts";
import type { StatDeclaration, StatUpdate } from "./slots.ts";

interface Source {
  readonly chunks: Float64Array[];
  readonly declarations: StatDeclaration[];
}

/** All threads' stats at one moment, by name. */
export interface StatSnapshot {
  readonly counters: Map<string, number>;
  readonly gauges: Map<string, number>;
  readonly histograms: Map<string, HistogramView>;
}

/**
 * The main thread's view of every thread's slots. A thread that ends keeps its counters and histograms in the sums;
 * its gauges fall away. Names given to `declare` show up with 0 before any thread used them.
 */
export class MergedStats {
  readonly #sources = new Map<string, Source>();
  readonly #retired: Source[] = [];
  readonly #bases = new Map<string, number>();
  readonly #declared = new Map<string, "counter" | "gauge" | "histogram">();

  /** Takes in what a thread's StatStore sent. */
  update(thread: string, update: StatUpdate): void {
    let source = this.#sources.get(thread);
    if (source === undefined) this.#sources.set(thread, (source = { chunks: [], declarations: [] }));
    for (const { index, buffer } of update.chunks) source.chunks[index] = new Float64Array(buffer);
    source.declarations.push(...update.declarations);
  }

  retire(thread: string): void {
    const source = this.#sources.get(thread);
    if (source === undefined) return;
    this.#sources.delete(thread);
    this.#retired.push({ ...source, declarations: source.declarations.filter((d) => d.kind !== "gauge") });
  }

  declare(name: string, kind: "counter" | "gauge" | "histogram"): void {
    this.#declared.set(name, kind);
  }

  /** Forgets declared names that begin with `prefix`, and what threads counted under it. */
  forget(prefix: string): void {
    for (const name of this.#declared.keys()) if (name.startsWith(prefix)) this.#declared.delete(name);
  }

  /** Counters read 0 from here on, as POST /reset_counters does. */
  resetCounters(): void {
    const { counters } = this.#sum();
    for (const [name, value] of counters) this.#bases.set(name, value);
  }

  snapshot(): StatSnapshot {
    const sums = this.#sum();
    for (const [name, base] of this.#bases) sums.counters.set(name, (sums.counters.get(name) ?? 0) - base);
    return sums;
  }

  #sum(): StatSnapshot {
    const counters = new Map<string, number>();
    const gauges = new Map<string, number>();
    const histograms = new Map<string, HistogramView>();
    for (const [name, kind] of this.#declared) {
      if (kind === "counter") counters.set(name, 0);
      else if (kind === "gauge") gauges.set(name, 0);
      else histograms.set(name, new HistogramView());
    }
    for (const source of [...this.#sources.values(), ...this.#retired]) {
      for (const { name, kind, chunk, slot } of source.declarations) {
        const slots = source.chunks[chunk]!;
        if (kind === "counter") counters.set(name, (counters.get(name) ?? 0) + slots[slot]!);
        else if (kind === "gauge") gauges.set(name, (gauges.get(name) ?? 0) + slots[slot]!);
        else {
          let view = histograms.get(name);
          if (view === undefined) histograms.set(name, (view = new HistogramView()));
          view.add(slots, slot);
        }
      }
    }
    return { counters, gauges, histograms };
  }
}
