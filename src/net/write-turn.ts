import type { Deferred } from "../http/stream.ts";

/** Something that has bytes queued for this turn of the event loop. */
export interface Flushable {
  flush(): void;
}

/**
 * Collects the connections of a thread that were written to, and work that must wait until the stack is empty. Whoever
 * reads bytes calls `begin()` before and `end()` after it handles them, which is a turn.
 *
 * Writes wait until everything that can be read in this round of the event loop has been, and then go out one after the
 * other: a connection that several streams share gets one write, and peers that sleep are woken once for many writes,
 * which costs more than the write itself. Bytes of a read buffer that is about to be used again cannot wait longer than
 * the turn.
 */
export class WriteTurn {
  // Two lists each, one filled while the other is worked off, with counts of their own: setting an array's length is a
  // call into the runtime.
  #dirty: (Flushable | undefined)[] = [];
  #flushing: (Flushable | undefined)[] = [];
  #dirtyCount = 0;
  #gathered: (Flushable | undefined)[] = [];
  #sending: (Flushable | undefined)[] = [];
  #gatheredCount = 0;
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

  /** Whether somebody handles bytes: what was written with `add` has not been flushed. */
  get open(): boolean {
    return this.#inside > 0;
  }

  /** Monotonic milliseconds; the same all through a turn, so that a request does not ask the system ten times. */
  get time(): number {
    if (this.#inside === 0) return performance.now();
    if (this.#time === 0) this.#time = performance.now();
    return this.#time;
  }

  /** Flushes the connection when everything that can be read now has been. */
  gather(connection: Flushable): void {
    this.#gathered[this.#gatheredCount++] = connection;
    this.#schedule();
  }

  /** Flushes the connection at the end of this turn. */
  add(connection: Flushable): void {
    this.#dirty[this.#dirtyCount++] = connection;
    if (this.#inside === 0) this.#schedule();
  }

  /** Runs `work` when the callers of this turn have returned. */
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

  /** What is gathered meanwhile waits for the next round. */
  #flushGathered(): void {
    const batch = this.#gathered;
    const count = this.#gatheredCount;
    this.#gathered = this.#sending;
    this.#gatheredCount = 0;
    this.#sending = batch;
    for (let i = 0; i < count; i++) {
      const connection = batch[i]!;
      batch[i] = undefined;
      connection.flush();
    }
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
