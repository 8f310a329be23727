import { WeakValueMap } from "../../base/weak-value-map.ts";

/** Stands for everything in subscriptions (xds_protocol.rst, "wildcard"). */
const ALL = "*";

/**
 * What a subscription asks for: names, everything, or both. Subscriptions that ask for the same share one object, so that
 * what follows from it (the part of a set that it selects, its encoded form) is worked out once for all of them.
 */
export class Interest {
  readonly wildcard: boolean;
  readonly names: ReadonlySet<string>;
  readonly #growth = new WeakMap<Interest, Interest>();

  /** Asks for nothing. */
  static readonly none: Interest = new Interest(false, new Set());
  static readonly #all = new WeakValueMap<string, Interest>();

  /** The interest in these names, "*" among them meaning everything. */
  static of(names: Iterable<string>): Interest {
    const set = new Set(names);
    const wildcard = set.delete(ALL);
    if (!wildcard && set.size === 0) return Interest.none;
    const key = `${wildcard ? ALL : ""}\n${[...set].sort().join("\n")}`;
    let found = Interest.#all.get(key);
    if (found === undefined) Interest.#all.set(key, (found = new Interest(wildcard, set)));
    return found;
  }

  private constructor(wildcard: boolean, names: ReadonlySet<string>) {
    this.wildcard = wildcard;
    this.names = names;
  }

  get isNone(): boolean {
    return !this.wildcard && this.names.size === 0;
  }

  /** Names asked for here and not in `before`; everything when only this is a wildcard. */
  since(before: Interest): Interest {
    if (before === this) return Interest.none;
    if (before.isNone) return this;
    let growth = this.#growth.get(before);
    if (growth === undefined) {
      const names = [...this.names].filter((name) => !before.names.has(name));
      if (this.wildcard && !before.wildcard) names.push(ALL);
      growth = Interest.of(names);
      this.#growth.set(before, growth);
    }
    return growth;
  }

  with(more: Interest): Interest {
    if (more.isNone || more === this) return this;
    if (this.isNone) return more;
    return Interest.of([...this.#list(), ...more.#list()]);
  }

  without(less: Interest): Interest {
    if (less.isNone) return this;
    const names = [...this.names].filter((name) => !less.names.has(name));
    return Interest.of(this.wildcard && !less.wildcard ? [...names, ALL] : names);
  }

  #list(): string[] {
    return this.wildcard ? [...this.names, ALL] : [...this.names];
  }
}
