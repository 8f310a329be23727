/**
 * Counts of things in use, shared by all threads. Each thread also keeps its own part, so that what a crashed one
 * had in use can be given back: without that, its connections would fill circuit breakers for good.
 */
export class SharedCounts {
  readonly #shared: Int32Array;
  readonly #own: Int32Array | undefined;

  constructor(shared: SharedArrayBuffer, own: SharedArrayBuffer | undefined) {
    this.#shared = new Int32Array(shared);
    this.#own = own === undefined ? undefined : new Int32Array(own);
  }

  /** Counts one more; returns how many there were before. */
  inc(index: number): number {
    if (this.#own !== undefined) this.#own[index]!++;
    return Atomics.add(this.#shared, index, 1);
  }

  dec(index: number): void {
    if (this.#own !== undefined) this.#own[index]!--;
    Atomics.sub(this.#shared, index, 1);
  }

  get(index: number): number {
    return Atomics.load(this.#shared, index);
  }

  /** Counts an event: it stays counted when this thread is gone. Returns how many there were before. */
  event(index: number): number {
    return Atomics.add(this.#shared, index, 1);
  }

  /** Begins to count events anew. */
  clear(index: number): void {
    Atomics.store(this.#shared, index, 0);
  }
}

/** Gives back what a thread that is gone had in use. */
export function takeBack(shared: SharedArrayBuffer, own: SharedArrayBuffer): void {
  const counts = new Int32Array(shared);
  const parts = new Int32Array(own);
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (part === 0) continue;
    Atomics.sub(counts, i, part);
    parts[i] = 0;
  }
}
