/** Wakes one waiter; what happens while nobody waits is not lost. */
export class Pulse {
  #happened = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#happened = true;
    this.#wake?.();
  }

  /** Returns once something happened since the last return, or the signal ended. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#happened && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      this.#wake = wake;
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      signal.removeEventListener("abort", wake);
      this.#wake = undefined;
    }
    this.#happened = false;
  }
}
