import { systemClock } from "../../../base/clock.ts";
const REMEMBER_MS = 3_600_000;

/**
 * Services of a place that only lists what runs: one that has nothing left is told to be empty for an hour, rather than
 * to have vanished.
 */
export class RememberedServices {
  readonly #seen = new Map<string, number>();

  /** Notes the services that there are now, and gives those that were there within the last hour. */
  note(present: Iterable<string>, now: number = systemClock.wall()): Iterable<string> {
    for (const name of present) this.#seen.set(name, now);
    for (const [name, since] of this.#seen) if (now - since > REMEMBER_MS) this.#seen.delete(name);
    return this.#seen.keys();
  }
}
