import { HistogramView } from "./histogram.ts";
import { NEVER_WRITTEN, type StatDeclaration, type StatKind, type StatUpdate } from "./slots.ts";

/** Stats by name, summed over all threads. */
export interface StatSnapshot {
  readonly counters: Map<string, number>;
  readonly gauges: Map<string, number>;
  readonly histograms: Map<string, HistogramView>;
}

/** Names of stats by kind, without their prefix. */
export interface StatNames {
  readonly counters: readonly string[];
  readonly gauges: readonly string[];
  readonly histograms: readonly string[];
}

/** The slots of one thread for one stat. */
interface Part {
  readonly thread: string;
  readonly slots: Float64Array;
  readonly slot: number;
}

interface Entry {
  readonly name: string;
  kind: StatKind;
  parts: Part[];
  /** What a counter read when it was reset or forgotten. */
  base: number;
  histogramBase: HistogramView | undefined;
  hidden: boolean;
}

/**
 * Names that begin with the same two parts, such as all of "cluster.users.". Most of ten thousand clusters are never
 * used: of those only the prefix is kept, and the list of names that they share.
 */
interface Bucket {
  readonly key: string;
  readonly entries: Map<string, Entry>;
  readonly templates: Map<string, Set<StatNames>>;
  readonly forgotten: Set<string>;
}

/**
 * The main thread's view of every thread's slots. A thread that ends keeps its counters and histograms in the sums;
 * its gauges fall away. Names given to `declare` and `declareAll` show up with 0 before any thread used them.
 */
export class MergedStats {
  readonly #chunks = new Map<string, Float64Array[]>();
  readonly #buckets = new Map<string, Bucket>();
  #sorted: Bucket[] | undefined;

  /** Takes in what a thread's StatStore sent. */
  update(thread: string, update: StatUpdate): void {
    let chunks = this.#chunks.get(thread);
    if (chunks === undefined) this.#chunks.set(thread, (chunks = []));
    for (const { index, buffer } of update.chunks) chunks[index] = new Float64Array(buffer);
    for (const declaration of update.declarations) this.#addPart(thread, chunks, declaration);
  }

  retire(thread: string): void {
    if (!this.#chunks.delete(thread)) return;
    // A thread that takes the retired one's place sends parts of its own under the same id.
    const retired = `${thread} (ended)`;
    for (const { entries } of this.#buckets.values()) {
      for (const entry of entries.values()) {
        const isGauge = entry.kind === "gauge";
        entry.parts = entry.parts.flatMap((part) =>
          part.thread !== thread ? [part] : isGauge ? [] : [{ ...part, thread: retired }],
        );
      }
    }
  }

  declare(name: string, kind: StatKind): void {
    const bucket = this.#bucket(name);
    const entry = bucket.entries.get(name);
    if (entry === undefined) bucket.entries.set(name, newEntry(name, kind));
    else entry.hidden = false;
  }

  /** Declares all `names` behind `prefix`, e.g. "cluster.users."; costs little memory if `names` is a shared constant. */
  declareAll(prefix: string, names: StatNames): void {
    if (secondDot(prefix) < 0) {
      for (const name of names.counters) this.declare(prefix + name, "counter");
      for (const name of names.gauges) this.declare(prefix + name, "gauge");
      for (const name of names.histograms) this.declare(prefix + name, "histogram");
      return;
    }
    const { entries, templates, forgotten } = this.#bucket(prefix);
    const known = templates.get(prefix);
    if (known === undefined) templates.set(prefix, new Set([names]));
    else known.add(names);
    if (forgotten.delete(prefix)) {
      for (const entry of entries.values()) if (entry.name.startsWith(prefix)) entry.hidden = false;
    }
  }

  /**
   * Forgets names that begin with `prefix` (at least two parts), and what threads counted under it: when the prefix is
   * declared again, counting starts at 0.
   */
  forget(prefix: string): void {
    const bucket = this.#buckets.get(bucketKey(prefix));
    if (bucket === undefined) return;
    for (const known of bucket.templates.keys()) if (known === prefix) bucket.templates.delete(known);
    for (const entry of bucket.entries.values()) {
      // "cluster.a." must not take "cluster.a.b." along.
      if (!entry.name.startsWith(prefix) || ownerOf(bucket, entry.name) !== undefined) continue;
      if (entry.parts.length === 0) bucket.entries.delete(entry.name);
      else hide(entry);
    }
    bucket.forgotten.add(prefix);
    if (bucket.templates.size > 0 || bucket.entries.size > 0) return;
    this.#buckets.delete(bucket.key);
    this.#sorted = undefined;
  }

  /** Whether some thread ever wrote a number. */
  isUsed(name: string): boolean {
    const entry = this.#buckets.get(bucketKey(name))?.entries.get(name);
    return entry !== undefined && wasWritten(entry);
  }

  /** Counters read 0 from here on, as POST /reset_counters does. */
  resetCounters(): void {
    for (const { entries } of this.#buckets.values())
      for (const entry of entries.values()) if (entry.kind === "counter") entry.base = sum(entry);
  }

  /** Everything at once; for few stats. */
  snapshot(): StatSnapshot {
    const snapshot = emptySnapshot();
    for (const bucket of this.#buckets.values()) fill(snapshot, bucket, 0);
    return snapshot;
  }

  /**
   * The same as `snapshot` in pieces, kind to the event loop: every name of a piece sorts before every name of the next
   * one. Numbers that nobody ever wrote are NEVER_WRITTEN, which prints as 0.
   */
  *chunks(): Iterable<StatSnapshot> {
    // A list of its own: buckets may come and go while the pieces are being sent.
    const buckets = (this.#sorted ??= [...this.#buckets.values()].sort(byKey));
    for (let i = 0; i < buckets.length;) {
      const snapshot = emptySnapshot();
      const { key } = buckets[i]!;
      // A bucket "server." holds names on both sides of "server.worker_0.".
      do fill(snapshot, buckets[i++]!, NEVER_WRITTEN);
      while (i < buckets.length && buckets[i]!.key.startsWith(key));
      yield snapshot;
    }
  }

  /** Gauges whose names begin with `prefix`, which is one whole part such as "listener.". */
  *gauges(prefix: string): Iterable<readonly [name: string, value: number]> {
    for (const { key, entries } of this.#buckets.values()) {
      if (!key.startsWith(prefix)) continue;
      for (const entry of entries.values())
        if (entry.kind === "gauge" && !entry.hidden) yield [entry.name, sum(entry)];
    }
  }

  /** Histograms that have samples. */
  *usedHistograms(): Iterable<readonly [name: string, view: HistogramView]> {
    for (const { entries } of this.#buckets.values()) {
      for (const entry of entries.values()) {
        if (entry.kind !== "histogram" || entry.hidden) continue;
        const view = histogramOf(entry);
        if (view.count > 0) yield [entry.name, view];
      }
    }
  }

  #addPart(thread: string, chunks: Float64Array[], { name, kind, chunk, slot }: StatDeclaration): void {
    const bucket = this.#bucket(name);
    let entry = bucket.entries.get(name);
    if (entry === undefined) {
      bucket.entries.set(name, (entry = newEntry(name, kind)));
      entry.hidden = isForgotten(bucket, name);
    }
    entry.kind = kind;
    entry.parts.push({ thread, slots: chunks[chunk]!, slot });
  }

  #bucket(name: string): Bucket {
    const key = bucketKey(name);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { key, entries: new Map(), templates: new Map(), forgotten: new Set() };
      this.#buckets.set(key, bucket);
      this.#sorted = undefined;
    }
    return bucket;
  }
}

function byKey(a: Bucket, b: Bucket): number {
  return a.key < b.key ? -1 : 1;
}

function emptySnapshot(): StatSnapshot {
  return { counters: new Map(), gauges: new Map(), histograms: new Map() };
}

function newEntry(name: string, kind: StatKind): Entry {
  return { name, kind, parts: [], base: 0, histogramBase: undefined, hidden: false };
}

function secondDot(name: string): number {
  const first = name.indexOf(".");
  return first < 0 ? -1 : name.indexOf(".", first + 1);
}

/** "cluster.users." of "cluster.users.upstream_rq_total", "server." of "server.live". */
function bucketKey(name: string): string {
  const second = secondDot(name);
  return name.slice(0, (second < 0 ? name.indexOf(".") : second) + 1) || name;
}

/** The longest declared prefix of a name. */
function ownerOf({ templates }: Bucket, name: string): string | undefined {
  let owner: string | undefined;
  for (const prefix of templates.keys())
    if (name.startsWith(prefix) && prefix.length > (owner?.length ?? -1)) owner = prefix;
  return owner;
}

function isForgotten(bucket: Bucket, name: string): boolean {
  if (bucket.forgotten.size === 0 || ownerOf(bucket, name) !== undefined) return false;
  for (const prefix of bucket.forgotten) if (name.startsWith(prefix)) return true;
  return false;
}

function hide(entry: Entry): void {
  entry.hidden = true;
  if (entry.kind === "counter") entry.base = sum(entry);
  else if (entry.kind === "histogram") {
    entry.histogramBase = undefined;
    entry.histogramBase = histogramOf(entry);
  }
}

/** @param unused what to show for numbers that nobody wrote */
function fill(
  { counters, gauges, histograms }: StatSnapshot,
  { templates, entries }: Bucket,
  unused: number,
): void {
  for (const [prefix, lists] of templates) {
    for (const names of lists) {
      for (const name of names.counters) counters.set(prefix + name, unused);
      for (const name of names.gauges) gauges.set(prefix + name, unused);
      for (const name of names.histograms) histograms.set(prefix + name, NO_SAMPLES);
    }
  }
  for (const entry of entries.values()) {
    if (entry.hidden) continue;
    if (entry.kind === "counter")
      counters.set(entry.name, wasWritten(entry) ? sum(entry) - entry.base : unused);
    else if (entry.kind === "gauge") gauges.set(entry.name, wasWritten(entry) ? sum(entry) : unused);
    else histograms.set(entry.name, histogramOf(entry));
  }
}

const NO_SAMPLES = new HistogramView();

function sum({ parts }: Entry): number {
  let total = 0;
  for (const { slots, slot } of parts) total += slots[slot]!;
  return total;
}

function wasWritten({ parts }: Entry): boolean {
  for (const { slots, slot } of parts) if (!Object.is(slots[slot], NEVER_WRITTEN)) return true;
  return false;
}

function histogramOf({ parts, histogramBase }: Entry): HistogramView {
  const used = parts.filter(({ slots, slot }) => slots[slot]! > 0);
  if (used.length === 0) return NO_SAMPLES;
  const view = new HistogramView();
  for (const { slots, slot } of used) view.add(slots, slot);
  if (histogramBase !== undefined) view.subtract(histogramBase);
  return view;
}
