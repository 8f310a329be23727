/**
 * Finds a value by host name as Envoy finds virtual hosts: exact, then the longest "*suffix", then the longest "prefix*",
 * then "*". A wildcard stands for at least one character. Case does not count.
 */
export class DomainIndex<T> {
  readonly #exact = new Map<string, T>();
  readonly #suffixes = new Map<string, T>();
  readonly #prefixes = new Map<string, T>();
  /** Lengths of the suffixes and prefixes there are, longest first. */
  #suffixLengths: number[] = [];
  #prefixLengths: number[] = [];
  #fallback: T | undefined;

  /** Returns false if the domain is there already. */
  add(domain: string, value: T): boolean {
    const lower = domain.toLowerCase();
    if (lower === "*") {
      if (this.#fallback !== undefined) return false;
      this.#fallback = value;
      return true;
    }
    if (lower.startsWith("*")) {
      const isNew = put(this.#suffixes, lower.slice(1), value);
      this.#suffixLengths = lengths(this.#suffixLengths, lower.length - 1);
      return isNew;
    }
    if (lower.endsWith("*")) {
      const isNew = put(this.#prefixes, lower.slice(0, -1), value);
      this.#prefixLengths = lengths(this.#prefixLengths, lower.length - 1);
      return isNew;
    }
    return put(this.#exact, lower, value);
  }

  find(host: string): T | undefined {
    if (this.#exact.size === 0 && this.#suffixLengths.length === 0 && this.#prefixLengths.length === 0)
      return this.#fallback;
    if (host === "") return undefined;
    const lower = host.toLowerCase();
    const exact = this.#exact.get(lower);
    if (exact !== undefined) return exact;
    for (let i = 0; i < this.#suffixLengths.length; i++) {
      const length = this.#suffixLengths[i]!;
      if (length >= lower.length) continue;
      const found = this.#suffixes.get(lower.slice(lower.length - length));
      if (found !== undefined) return found;
    }
    for (let i = 0; i < this.#prefixLengths.length; i++) {
      const length = this.#prefixLengths[i]!;
      if (length >= lower.length) continue;
      const found = this.#prefixes.get(lower.slice(0, length));
      if (found !== undefined) return found;
    }
    return this.#fallback;
  }
}

function put<T>(map: Map<string, T>, key: string, value: T): boolean {
  if (map.has(key)) return false;
  map.set(key, value);
  return true;
}

function lengths(known: number[], length: number): number[] {
  return known.includes(length) ? known : [...known, length].sort((a, b) => b - a);
}
