import type { Reading, ServiceReading } from "../../model.ts";
import { describeError } from "../../../base/describe-error.ts";

/** What one part of a source says, by service. */
export type PartReading = ReadonlyMap<string, ServiceReading>;

/**
 * A source that is read in parts, each of which can fail on its own: what is known of a part stays until it is read
 * again. Services that several parts name are the union of what they say.
 */
export class Parts {
  readonly #known = new Map<string, PartReading>();
  readonly #errors = new Map<string, string>();
  /** Parts that must be read or fail before there is a reading. */
  readonly #awaited = new Set<string>();
  #synced = false;

  /** Makes parts known; those that are not among them are forgotten. */
  expect(keys: Iterable<string>): void {
    const wanted = new Set(keys);
    for (const key of [...this.#known.keys(), ...this.#errors.keys(), ...this.#awaited]) {
      if (wanted.has(key)) continue;
      this.#known.delete(key);
      this.#errors.delete(key);
      this.#awaited.delete(key);
    }
    for (const key of wanted) if (!this.#known.has(key) && !this.#errors.has(key)) this.#awaited.add(key);
  }

  set(key: string, reading: PartReading): void {
    this.#known.set(key, reading);
    this.#errors.delete(key);
    this.#awaited.delete(key);
  }

  fail(key: string, error: unknown): void {
    this.#errors.set(key, describeError(error));
    this.#awaited.delete(key);
  }

  /**
   * Everything that is known. Undefined while parts of the first reading are on their way; an error as long as a part of
   * it never succeeded, or when no part can be read.
   */
  reading(deleted?: ReadonlySet<string>): Reading | undefined {
    if (!this.#synced && this.#awaited.size > 0) return undefined;
    const errors = [...this.#errors].map(([key, error]) => `${key}: ${error}`);
    const [first = ""] = errors;
    const incomplete = errors.length > 1 ? `${first} (and ${errors.length - 1} more)` : first;
    const unread = [...this.#errors.keys()].some((key) => !this.#known.has(key));
    const allFail = errors.length > 0 && [...this.#known.keys()].every((key) => this.#errors.has(key));
    if (allFail || (unread && !this.#synced)) return { kind: "error", error: incomplete };
    this.#synced = true;
    return {
      kind: "ok",
      services: union(this.#known.values()),
      ...(deleted !== undefined && { deleted }),
      ...(incomplete !== "" && { incomplete }),
    };
  }
}

/** Joins what parts say. A loss counts as meant only if every part of the service says so. */
function union(parts: Iterable<PartReading>): Map<string, ServiceReading> {
  const all = new Map<string, ServiceReading>();
  for (const part of parts) {
    for (const [name, reading] of part) {
      const other = all.get(name);
      if (other === undefined) {
        all.set(name, reading);
        continue;
      }
      const unreadable = (other.unreadable ?? 0) + (reading.unreadable ?? 0);
      all.set(name, {
        endpoints: [...other.endpoints, ...reading.endpoints],
        confirmed: other.confirmed && reading.confirmed,
        ...(unreadable > 0 && { unreadable }),
      });
    }
  }
  return all;
}
