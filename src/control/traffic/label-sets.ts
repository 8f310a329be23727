import type { MetricLabels } from "../../base/text-metrics.ts";

interface Entry<T> {
  readonly labels: MetricLabels;
  readonly value: T;
  usedAt: number;
}

/** Label sets that nothing was counted for as long as this, in milliseconds, make room for others. */
const IDLE_MS = 60 * 60_000;
/** How often room is looked for when there is none, in milliseconds. */
const SWEEP_MS = 60_000;
/** Longest label value, in characters. */
const MAX_VALUE = 128;

/** A value per label set, for so many sets. What comes when they are taken shares the sets named "other". */
export class LabelSets<T> {
  /** How many observations went to "other". */
  folded = 0;
  readonly #limit: number;
  readonly #make: () => T;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #others = new Map<string, Entry<T>>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  /** @param limit label sets besides "other" */
  constructor(limit: number, make: () => T) {
    this.#limit = limit;
    this.#make = make;
  }

  /**
   * The value of a label set. @param bounded labels that keep their value in "other"; they must have few of them
   * @param now monotonic milliseconds
   */
  of(labels: MetricLabels, bounded: readonly string[], now: number): T {
    const key = keyOf(labels);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#entries.size >= this.#limit) this.#sweep(now);
      if (this.#entries.size < this.#limit) {
        entry = { labels: clipped(labels), value: this.#make(), usedAt: now };
        this.#entries.set(key, entry);
      } else {
        this.folded++;
        entry = this.#other(labels, bounded, now);
      }
    }
    entry.usedAt = now;
    return entry.value;
  }

  *[Symbol.iterator](): Generator<readonly [MetricLabels, T]> {
    for (const { labels, value } of this.#entries.values()) yield [labels, value];
    for (const { labels, value } of this.#others.values()) yield [labels, value];
  }

  #other(labels: MetricLabels, bounded: readonly string[], now: number): Entry<T> {
    const folded = Object.fromEntries(
      Object.entries(labels).map(([name, value]) => [name, bounded.includes(name) ? value : "other"]),
    );
    const key = keyOf(folded);
    let entry = this.#others.get(key);
    if (entry === undefined) {
      entry = { labels: folded, value: this.#make(), usedAt: now };
      this.#others.set(key, entry);
    }
    return entry;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    for (const [key, { usedAt }] of this.#entries) if (now - usedAt > IDLE_MS) this.#entries.delete(key);
  }
}

function keyOf(labels: MetricLabels): string {
  let key = "";
  for (const name in labels) key += `${clip(labels[name]!)}\0`;
  return key;
}

function clipped(labels: MetricLabels): MetricLabels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, clip(value)]));
}

function clip(value: string): string {
  return value.length <= MAX_VALUE ? value : value.slice(0, MAX_VALUE);
}
