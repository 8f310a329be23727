import { watch } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A change is looked at once nothing more happened for this long: a file written in place has its end by then. */
const SETTLE_MS = 50;
const MAX_SETTLE_MS = 1000;
/** Also look without being told: some file systems (network mounts) tell nothing. */
const POLL_MS = 5000;

/**
 * Yields at once, whenever something in a directory changed, and now and then besides; what a symbolic link in it
 * points at may change too (as Kubernetes does with mounted files). Ends when the signal says so.
 */
export async function* directoryChanges(directory: string, signal: AbortSignal): AsyncGenerator<void> {
  while (!signal.aborted) {
    // Watching begins before the caller looks, so that nothing is lost between.
    const change = new DirectoryChange(directory);
    try {
      yield;
      await change.settled(signal);
    } finally {
      change.close();
    }
  }
}

class DirectoryChange {
  #wake = new AbortController();
  readonly #watcher: ReturnType<typeof watch> | undefined;

  constructor(directory: string) {
    try {
      this.#watcher = watch(directory, () => this.#wake.abort());
      this.#watcher.on("error", () => {});
    } catch {
      // The directory is not there: the next look finds it when it comes.
    }
  }

  async settled(signal: AbortSignal): Promise<void> {
    await this.#quiet(POLL_MS, signal);
    if (!this.#wake.signal.aborted) return;
    const deadline = performance.now() + MAX_SETTLE_MS;
    while (!signal.aborted && this.#wake.signal.aborted && performance.now() < deadline) {
      this.#wake = new AbortController();
      await this.#quiet(SETTLE_MS, signal);
    }
  }

  close(): void {
    this.#watcher?.close();
  }

  async #quiet(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal: AbortSignal.any([this.#wake.signal, signal]) }).catch(() => {});
  }
}
