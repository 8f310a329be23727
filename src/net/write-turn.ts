import type { Deferred } from "../http/stream.ts";

/** Something that has bytes queued for this turn of the event loop. */
export interface Flushable {
  flush(): void;
}

/**
 * Collects the connections of a thread that were written to, so that each gets one write, and work that must wait until
 * the stack is empty. Whoever reads bytes calls `begin()` before and `end()` after it handles them, which is a turn;
 * writes from elsewhere (timers, promises) are flushed by an immediate. So are those of connections that many streams
 * share, since the reads of one round of the event loop often belong to several of their streams.
 */
export class WriteTurn {
  // Two lists each, one filled while the other is worked off, with counts of their own: setting an array's length is a
  // call into the runtime.
  #dirty: (Flushable | undefined)[] = [];
  #flushing: (Flushable | undefined)[] = [];
  #dirtyCount = 0;
  #gathered: Flushable[] = [];
  #deferred: (Deferred | undefined)[] = [];
  #running: (Deferred | undefined)[] = [];
  #deferredCount = 0;
  #scheduled = false;
  #inside = 0;
  #time = 0;
  readonly #flushLater = (): void => {
    this.#scheduled = false;
    this.begin();
    this.#flushGathered();
    this.end();
  };

  /** Monotonic milliseconds; the same all through a turn, so that a request does not ask the system ten times. */
  get time(): number {
    if (this.#inside === 0) return performance.now();
    if (this.#time === 0) this.#time = performance.now();
    return this.#time;
  }

  add(connection: Flushable): void {
    this.#dirty[this.#dirtyCount++] = connection;
    if (this.#inside === 0) this.#schedule();
  }

  /** Like `add`, but waits until all that can be read now has been. */
  gather(connection: Flushable): void {
    this.#gathered.push(connection);
    this.#schedule();
  }

  /** Runs `work` after the writes of this turn. */
  defer(work: Deferred): void {
    this.#deferred[this.#deferredCount++] = work;
    if (this.#inside === 0) this.#schedule();
  }

  begin(): void {
    if (this.#inside++ === 0) this.#time = 0;
  }

  end(): void {
    if (--this.#inside === 0) this.#finish();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flushLater);
  }

  #finish(): void {
    // Deferred work may write and defer again; that still belongs to this turn.
    this.#inside++;
    do {
      this.#flushAll();
      this.#runDeferred();
    } while (this.#dirtyCount > 0);
    this.#inside--;
  }

  /** What is gathered meanwhile has its turn in the next round. */
  #flushGathered(): void {
    const batch = this.#gathered;
    if (batch.length === 0) return;
    this.#gathered = [];
    for (const connection of batch) connection.flush();
  }

  #flushAll(): void {
    while (this.#dirtyCount > 0) {
      const batch = this.#dirty;
      const count = this.#dirtyCount;
      this.#dirty = this.#flushing;
      this.#dirtyCount = 0;
      this.#flushing = batch;
      for (let i = 0; i < count; i++) {
        const connection = batch[i]!;
        batch[i] = undefined;
        connection.flush();
      }
    }
  }

  #runDeferred(): void {
    while (this.#deferredCount > 0) {
      const work = this.#deferred;
      const count = this.#deferredCount;
      this.#deferred = this.#running;
      this.#deferredCount = 0;
      this.#running = work;
      for (let i = 0; i < count; i++) {
        const each = work[i]!;
        work[i] = undefined;
        each.runDeferred();
      }
    }
  }
}
