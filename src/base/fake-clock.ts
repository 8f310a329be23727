import type { Clock } from "./clock.ts";

interface Pending {
  at: number;
  callback: () => void;
}

/** A clock that moves only when told to; for tests. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #start: number;
  readonly #pending = new Set<Pending>();

  /** @param start wall time at the clock's zero, in milliseconds since the Unix epoch */
  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#start = start;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#start + this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const entry = { at: this.#now + ms, callback };
    this.#pending.add(entry);
    return () => void this.#pending.delete(entry);
  }

  /** Moves time forward and runs what became due, in order of its time. */
  advance(ms: number): void {
    const target = this.#now + ms;
    for (;;) {
      let next: Pending | undefined;
      for (const entry of this.#pending)
        if (entry.at <= target && (!next || entry.at < next.at)) next = entry;
      if (!next) break;
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = target;
  }
}
