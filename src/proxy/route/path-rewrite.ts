import { parseSubstitution, SafeRegex, type Substitution } from "../../base/safe-regex.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";

type RegexMatchAndSubstitute = Messages["envoy.type.matcher.v3.RegexMatchAndSubstitute"];

/** What of regex rewrites is read. */
export const pathRewriteLedger: Ledger = {
  "envoy.type.matcher.v3.RegexMatchAndSubstitute": "all",
};

/** Index of the query or fragment in a path, or its length. */
export function pathEnd(path: string): number {
  const query = path.indexOf("?");
  const hash = path.indexOf("#");
  if (query < 0) return hash < 0 ? path.length : hash;
  return hash < 0 || query < hash ? query : hash;
}

/** A regex with its replacement. */
export class RegexRewrite {
  readonly #regex: SafeRegex;
  readonly #substitution: Substitution;

  constructor(config: RegexMatchAndSubstitute) {
    this.#regex = new SafeRegex(config.pattern?.regex ?? "");
    this.#substitution = parseSubstitution(config.substitution);
  }

  apply(text: string): string {
    return this.#regex.replaceAll(text, this.#substitution);
  }
}

/**
 * Changes the path of a request and leaves its query alone. `matched` is the length of the part that the route's match
 * took: a prefix, or the whole path for exact and regex matches.
 */
export class PathRewrite {
  readonly #prefix: string;
  readonly #regex: RegexRewrite | undefined;

  constructor(prefix: string, regex: RegexRewrite | undefined) {
    this.#prefix = prefix;
    this.#regex = regex;
  }

  apply(path: string, matched: number): string {
    if (this.#regex === undefined) return this.#prefix + path.slice(matched);
    const end = pathEnd(path);
    return this.#regex.apply(path.slice(0, end)) + path.slice(end);
  }
}

/** Undefined when the configuration rewrites nothing. */
export function compilePathRewrite(
  prefix: string,
  regex: RegexMatchAndSubstitute | undefined,
): PathRewrite | undefined {
  if (regex !== undefined) return new PathRewrite("", new RegexRewrite(regex));
  return prefix === "" ? undefined : new PathRewrite(prefix, undefined);
}
