import type { Clock } from "../../../base/clock.ts";
import { HOST_FIELDS, HOST_WORDS } from "../../link.ts";

interface Held {
  readonly slot: number;
  /** When it was given up, in milliseconds of the clock; undefined while it is in use. */
  gone: number | undefined;
}

/** How long a host that went away keeps its state at least: it often comes back, and requests to it may still run. */
const GRACE = 60_000;

/**
 * Places of hosts in the shared state. A host keeps its place for as long as it is known, and for a while after that;
 * the place is not given to another one before the last request and connection are done.
 */
export class HostSlots {
  readonly #states: Int32Array;
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  readonly #gone = new Set<string>();
  readonly #free: number[] = [];
  #next = 0;
  #cancelSweep: (() => void) | undefined;

  constructor(states: SharedArrayBuffer, clock: Clock) {
    this.#states = new Int32Array(states);
    this.#clock = clock;
  }

  /** The place of a host. Throws when there are too many hosts. */
  acquire(identity: string): number {
    const held = this.#held.get(identity);
    if (held !== undefined) {
      held.gone = undefined;
      this.#gone.delete(identity);
      return held.slot;
    }
    const slot = this.#free.pop() ?? this.#next++;
    const from = slot * HOST_WORDS;
    if (from + HOST_WORDS > this.#states.length)
      throw new Error(`Cannot add host ${identity}: there are ${this.#held.size} already`);
    this.#states.fill(0, from, from + HOST_WORDS);
    this.#held.set(identity, { slot, gone: undefined });
    return slot;
  }

  release(identity: string): void {
    const held = this.#held.get(identity);
    if (held === undefined) return;
    held.gone = this.#clock.now();
    this.#gone.add(identity);
    this.#cancelSweep ??= this.#clock.after(GRACE, () => this.#sweep());
  }

  close(): void {
    this.#cancelSweep?.();
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const identity of this.#gone) {
      const held = this.#held.get(identity)!;
      if (now - held.gone! < GRACE || this.#busy(held.slot)) continue;
      this.#gone.delete(identity);
      this.#held.delete(identity);
      this.#free.push(held.slot);
    }
    this.#cancelSweep = this.#gone.size === 0 ? undefined : this.#clock.after(GRACE, () => this.#sweep());
  }

  #busy(slot: number): boolean {
    const base = slot * HOST_WORDS;
    return (
      Atomics.load(this.#states, base + HOST_FIELDS.activeRequests) > 0 ||
      Atomics.load(this.#states, base + HOST_FIELDS.activeConnections) > 0
    );
  }
}
