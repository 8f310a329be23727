import type { Clock } from "./clock.ts";

/** A token bucket that fills evenly over time. */
export class TokenBucket {
  readonly size: number;
  readonly #clock: Clock;
  /** Tokens per millisecond. */
  readonly #rate: number;
  #tokens: number;
  #filled: number;

  /** Full at first; `perFill` tokens come back in `interval` milliseconds. */
  constructor(size: number, perFill: number, interval: number, clock: Clock) {
    this.size = this.#tokens = size;
    this.#rate = perFill / interval;
    this.#clock = clock;
    this.#filled = clock.now();
  }

  take(): boolean {
    this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  left(): number {
    this.#fill();
    return Math.floor(this.#tokens);
  }

  secondsToNext(): number {
    this.#fill();
    return this.#tokens >= 1 ? 0 : Math.ceil((1 - this.#tokens) / this.#rate / 1000);
  }

  #fill(): void {
    const now = this.#clock.now();
    this.#tokens = Math.min(this.size, this.#tokens + (now - this.#filled) * this.#rate);
    this.#filled = now;
  }
}
