/** Something that has bytes queued for this turn of the event loop. */
export interface Flushable {
  flush(): void;
}

/** Something to do when nothing of this turn is on the call stack any more. */
export interface Deferred {
  runDeferred(): void;
}

/**
 * One turn of the event loop on a thread: collects the connections that were written to, so that each gets one write,
 * and work that must wait until the stack is empty. Whoever reads bytes calls `begin()` before and `end()` after it
 * handles them; writes from elsewhere (timers, promises) are flushed by an immediate.
 */
export class WriteTurn {
  #dirty: Flushable[] = [];
  #flushing: Flushable[] = [];
  #deferred: Deferred[] = [];
  #running: Deferred[] = [];
  #scheduled = false;
  #inside = 0;
  #time = 0;
  readonly #flushLater = (): void => {
    this.#scheduled = false;
    this.#finish();
  };

  /** Monotonic milliseconds; the same all through a turn, so that a request does not ask the system ten times. */
  get time(): number {
    if (this.#inside === 0) return performance.now();
    if (this.#time === 0) this.#time = performance.now();
    return this.#time;
  }

  add(connection: Flushable): void {
    this.#dirty.push(connection);
    this.#schedule();
  }

  /** Runs `work` after the writes of this turn. */
  defer(work: Deferred): void {
    this.#deferred.push(work);
    this.#schedule();
  }

  begin(): void {
    if (this.#inside++ === 0) this.#time = 0;
  }

  end(): void {
    if (--this.#inside === 0) this.#finish();
  }

  #schedule(): void {
    if (this.#inside > 0 || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flushLater);
  }

  #finish(): void {
    while (this.#dirty.length > 0) {
      const batch = this.#dirty;
      this.#dirty = this.#flushing;
      for (let i = 0; i < batch.length; i++) batch[i]!.flush();
      batch.length = 0;
      this.#flushing = batch;
    }
    if (this.#deferred.length === 0) return;
    const work = this.#deferred;
    this.#deferred = this.#running;
    for (let i = 0; i < work.length; i++) work[i]!.runDeferred();
    work.length = 0;
    this.#running = work;
  }
}
