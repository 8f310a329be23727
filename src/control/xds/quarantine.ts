import type { Resource } from "./resource.ts";
import type { ResourceChanges } from "./resource-changes.ts";
import type { ResourceSet } from "./resource-set.ts";

/** A resource that a node does not take, for `weft control nodes`. */
export interface Rejection {
  readonly name: string;
  /** The version that is withheld until it changes. */
  readonly version: string;
  readonly reason: string;
  /** The version that the node keeps; "" when it never had one. */
  readonly kept: string;
}

interface Entry extends Rejection {
  readonly keep: Resource | undefined;
}

/**
 * What one node rejected of one type. It keeps the last version of those resources that it accepted, or goes without,
 * so that all others still reach it; a resource is tried again when it changes.
 */
export class Quarantine {
  readonly #entries = new Map<string, Entry>();

  get rejections(): readonly Rejection[] {
    return Array.from(this.#entries.values(), ({ name, version, reason, kept }) => ({
      name,
      version,
      reason,
      kept,
    }));
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /**
   * Notes a rejected response. The reason says which of its resources are meant by naming them; a reason that names
   * none may mean all that are not as the node had them. Returns the names of those: nobody knows which of them the
   * node took, so it must be told again what it is to have.
   */
  add(rejected: ResourceChanges, reason: string, held: ResourceSet | undefined): readonly string[] {
    const changed = rejected.resources.filter(({ name, version }) => held?.get(name)?.version !== version);
    const named = changed.filter(({ name }) => mentions(reason, name));
    for (const { name, version } of named.length > 0 ? named : changed) {
      const keep = held?.get(name);
      this.#entries.set(name, { name, version, reason, kept: keep?.version ?? "", keep });
    }
    return named.length > 0 ? [] : changed.map(({ name }) => name);
  }

  /** The set with what was rejected held back. What has changed since, or is gone, is let go. */
  apply(available: ResourceSet): ResourceSet {
    if (this.isEmpty) return available;
    const overlay = new Map<string, Resource | null>();
    for (const [name, { version, keep }] of this.#entries) {
      if (available.get(name)?.version === version) overlay.set(name, keep ?? null);
      else this.#entries.delete(name);
    }
    return available.overlaid(overlay);
  }
}

/** Whether a text has the name as a word of its own. */
function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    if (!isNamePart(text[at - 1]) && !isNamePart(text[at + name.length], text[at + name.length + 1]))
      return true;
  }
  return false;
}

/** A dot or colon belongs to a name only when something of a name follows. */
function isNamePart(character = "", next = "x"): boolean {
  return /[\w-]/.test(character) || (/[.:/]/.test(character) && /[\w-]/.test(next));
}
