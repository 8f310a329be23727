import type { Change } from "./model.ts";
import type { Revision } from "./store.ts";

/** The last changes, and those who wait for the next one. */
export class ChangeLog {
  readonly #capacity: number;
  #changes: Change[] = [];
  /** Changes up to here are no longer, or never were, in the log. */
  #before: Revision;
  #revision: Revision;
  readonly #waiting = new Set<() => void>();

  constructor(revision: Revision, capacity: number) {
    this.#before = revision;
    this.#revision = revision;
    this.#capacity = capacity;
  }

  get revision(): Revision {
    return this.#revision;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  append(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    for (const change of changes) this.#changes.push(change);
    this.#revision = changes[changes.length - 1]!.revision;
    // Cut seldom and much: one cut per half a log costs next to nothing per change.
    if (this.#changes.length > this.#capacity * 1.5) {
      const dropped = this.#changes.splice(0, this.#changes.length - this.#capacity);
      this.#before = dropped[dropped.length - 1]!.revision;
    }
    this.#wake();
  }

  /** Begins anew: whoever has seen less or more than `revision` must get everything. */
  reset(revision: Revision): void {
    this.#changes = [];
    this.#before = revision;
    this.#revision = revision;
    this.#wake();
  }

  /** The changes after `from`, oldest first; undefined when the log does not reach back that far, or `from` is not of this store. */
  since(from: Revision): readonly Change[] | undefined {
    if (from < this.#before || from > this.#revision) return undefined;
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#changes[middle]!.revision <= from) low = middle + 1;
      else high = middle;
    }
    return this.#changes.slice(low);
  }

  /** Resolves at the next append, or when `signal` aborts. */
  async changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
