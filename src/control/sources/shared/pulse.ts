/** Wakes one waiter; what happens while nobody waits is not lost. */
export class Pulse {
  #happened = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#happened = true;
    this.#wake?.();
  }

  /** Returns once something happened since the last return, `ms` are over, or the signal ended. */
  async wait(signal: AbortSignal, ms?: number): Promise<void> {
    if (!this.#happened && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      const timer = ms === undefined ? undefined : setTimeout(wake, ms);
      this.#wake = wake;
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      this.#wake = undefined;
    }
    this.#happened = false;
  }
}
