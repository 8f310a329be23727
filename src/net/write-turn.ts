/** Something that has bytes queued for this turn of the event loop. */
export interface Flushable {
  flush(): void;
}

/**
 * Collects the connections that were written to in one turn, so that each gets one write. Whoever reads bytes calls
 * `end()` when it is done with them; writes from elsewhere (timers, promises) are flushed by an immediate.
 */
export class WriteTurn {
  #dirty: Flushable[] = [];
  #flushing: Flushable[] = [];
  #scheduled = false;
  #inside = 0;
  readonly #flushLater = (): void => {
    this.#scheduled = false;
    this.#flushAll();
  };

  add(connection: Flushable): void {
    this.#dirty.push(connection);
    if (this.#inside === 0 && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flushLater);
    }
  }

  begin(): void {
    this.#inside++;
  }

  end(): void {
    if (--this.#inside === 0) this.#flushAll();
  }

  #flushAll(): void {
    while (this.#dirty.length > 0) {
      const batch = this.#dirty;
      this.#dirty = this.#flushing;
      for (let i = 0; i < batch.length; i++) batch[i]!.flush();
      batch.length = 0;
      this.#flushing = batch;
    }
  }
}
