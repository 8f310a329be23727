import type { SeenRequest } from "./seen-traffic.ts";

/** Requests of one kind that were not answered with 2xx. */
export interface ErrorLine {
  readonly status: number;
  readonly method: string;
  /** Without the query. */
  readonly url: string;
  /** The upstream cluster of the first of them. */
  readonly cluster: string;
  readonly count: number;
  /** By how much the count may be too high, because other lines had to make room. */
  readonly tooHighBy: number;
}

interface Line {
  readonly request: SeenRequest;
  count: number;
  tooHighBy: number;
}

interface Period {
  readonly since: number;
  readonly lines: Map<string, Line>;
}

/** Lines that are kept for each period. */
const CAPACITY = 500;
const MAX_URL = 256;

/**
 * What is most often not answered with 2xx, in this period and the one before. It keeps so many lines whatever is asked
 * for: when they are taken, the least frequent one makes room and its count goes on (Metwally et al., "Space-Saving"), so
 * that a line that is truly frequent is never missed.
 */
export class ErrorBoard {
  readonly #periodMs: number;
  readonly #capacity: number;
  #before: Period | undefined;
  #current: Period;

  /** @param now wall clock, in milliseconds */
  constructor(periodMs: number, now: number, capacity = CAPACITY) {
    this.#periodMs = periodMs;
    this.#capacity = capacity;
    this.#current = { since: now, lines: new Map() };
  }

  /** Counts a request; one that was answered with 2xx, or not at all because its client went away, does not count. */
  count(request: SeenRequest, now: number): void {
    const { status } = request;
    if (status === 0 || (status >= 200 && status < 300)) return;
    this.#turn(now);
    const { lines } = this.#current;
    const key = keyOf(request);
    const line = lines.get(key);
    if (line !== undefined) line.count++;
    else if (lines.size < this.#capacity) lines.set(key, { request, count: 1, tooHighBy: 0 });
    else {
      const [least, { count }] = leastOf(lines);
      lines.delete(least);
      lines.set(key, { request, count: count + 1, tooHighBy: count });
    }
  }

  /** The most frequent ones, and since when they were counted. */
  top(limit: number, now: number): { since: number; lines: ErrorLine[] } {
    this.#turn(now);
    const sums = new Map<string, Line>();
    for (const period of [this.#before, this.#current]) {
      for (const [key, { request, count, tooHighBy }] of period?.lines ?? []) {
        const sum = sums.get(key) ?? { request, count: 0, tooHighBy: 0 };
        sum.count += count;
        sum.tooHighBy += tooHighBy;
        sums.set(key, sum);
      }
    }
    const lines = [...sums.values()].sort((a, b) => b.count - a.count).slice(0, limit);
    return {
      since: (this.#before ?? this.#current).since,
      lines: lines.map(({ request, count, tooHighBy }) => {
        const { status, method, url, cluster } = request;
        return { status, method, url: url.slice(0, MAX_URL), cluster, count, tooHighBy };
      }),
    };
  }

  #turn(now: number): void {
    const age = now - this.#current.since;
    if (age < this.#periodMs) return;
    this.#before = age < 2 * this.#periodMs ? this.#current : undefined;
    this.#current = { since: now, lines: new Map() };
  }
}

function keyOf({ status, method, url }: SeenRequest): string {
  return `${status} ${method} ${url.slice(0, MAX_URL)}`;
}

function leastOf(lines: ReadonlyMap<string, Line>): [string, Line] {
  let least: [string, Line] | undefined;
  for (const entry of lines) {
    if (least === undefined || entry[1].count < least[1].count) least = entry;
    // None can be less frequent.
    if (least[1].count === 1) break;
  }
  return least!;
}
