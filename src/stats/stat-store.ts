import { Histogram, HISTOGRAM_SLOTS } from "./histogram.ts";
import { CHUNK_SLOTS, NEVER_WRITTEN, type StatDeclaration, type StatKind, type StatUpdate } from "./slots.ts";

/** A number that only grows. */
export class Counter {
  readonly #slots: Float64Array;
  readonly #index: number;

  constructor(slots: Float64Array, index: number) {
    this.#slots = slots;
    this.#index = index;
  }

  inc(): void {
    this.#slots[this.#index]!++;
  }

  add(amount: number): void {
    this.#slots[this.#index]! += amount;
  }

  /** This thread's part. */
  get value(): number {
    return this.#slots[this.#index]! + 0;
  }
}

/** A number that goes up and down. Threads' parts are summed. */
export class Gauge {
  readonly #slots: Float64Array;
  readonly #index: number;

  constructor(slots: Float64Array, index: number) {
    this.#slots = slots;
    this.#index = index;
  }

  inc(): void {
    this.#slots[this.#index]!++;
  }

  dec(): void {
    this.#slots[this.#index]!--;
  }

  /** May be negative. */
  add(amount: number): void {
    this.#slots[this.#index]! += amount;
  }

  set(value: number): void {
    this.#slots[this.#index] = value;
  }

  get value(): number {
    return this.#slots[this.#index]! + 0;
  }
}

/**
 * The counters, gauges and histograms of one thread, by Envoy's dotted names. Asking for a name takes a slot the first
 * time; keep what you got, do not ask per request. New names and memory go to `onUpdate` in batches.
 */
export class StatStore {
  readonly #onUpdate: (update: StatUpdate) => void;
  readonly #stats = new Map<string, Counter | Gauge | Histogram>();
  #chunks: StatUpdate["chunks"][number][] = [];
  #declarations: StatDeclaration[] = [];
  #slots: Float64Array = new Float64Array(0);
  #chunk = -1;
  #used = CHUNK_SLOTS;
  #scheduled = false;

  constructor(onUpdate: (update: StatUpdate) => void) {
    this.#onUpdate = onUpdate;
  }

  counter(name: string): Counter {
    return (this.#stats.get(name) ?? this.#create(name, "counter")) as Counter;
  }

  gauge(name: string): Gauge {
    return (this.#stats.get(name) ?? this.#create(name, "gauge")) as Gauge;
  }

  /** Values are milliseconds unless the name says otherwise. */
  histogram(name: string): Histogram {
    return (this.#stats.get(name) ?? this.#create(name, "histogram")) as Histogram;
  }

  /** A view that puts `prefix` before every name, e.g. "cluster.users." */
  scope(prefix: string): StatScope {
    return new StatScope(this, prefix);
  }

  /** Sends pending names now: before stats are read, and before a thread ends. */
  flush(): void {
    this.#scheduled = false;
    if (this.#declarations.length === 0) return;
    const update = { chunks: this.#chunks, declarations: this.#declarations };
    this.#chunks = [];
    this.#declarations = [];
    this.#onUpdate(update);
  }

  #create(name: string, kind: StatKind): Counter | Gauge | Histogram {
    const length = kind === "histogram" ? HISTOGRAM_SLOTS : 1;
    if (this.#used + length > CHUNK_SLOTS) {
      const buffer = new SharedArrayBuffer(CHUNK_SLOTS * 8);
      this.#slots = new Float64Array(buffer);
      this.#used = 0;
      this.#chunks.push({ index: ++this.#chunk, buffer });
    }
    const slot = this.#used;
    this.#used += length;
    if (kind !== "histogram") this.#slots[slot] = NEVER_WRITTEN;
    const stat =
      kind === "counter"
        ? new Counter(this.#slots, slot)
        : kind === "gauge"
          ? new Gauge(this.#slots, slot)
          : new Histogram(this.#slots, slot);
    this.#stats.set(name, stat);
    this.#declarations.push({ name, kind, chunk: this.#chunk, slot, length });
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.flush());
    }
    return stat;
  }
}

/** A prefix on a store. */
export class StatScope {
  readonly prefix: string;
  readonly #store: StatStore;

  constructor(store: StatStore, prefix: string) {
    this.#store = store;
    this.prefix = prefix;
  }

  counter(name: string): Counter {
    return this.#store.counter(this.prefix + name);
  }

  gauge(name: string): Gauge {
    return this.#store.gauge(this.prefix + name);
  }

  histogram(name: string): Histogram {
    return this.#store.histogram(this.prefix + name);
  }

  scope(prefix: string): StatScope {
    return new StatScope(this.#store, this.prefix + prefix);
  }
}
