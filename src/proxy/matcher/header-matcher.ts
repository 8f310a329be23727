import { headerId, type HeaderId } from "../../http/header-name.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import {
  compileStringMatcher,
  containsMatch,
  exactMatch,
  prefixMatch,
  regexMatch,
  stringMatcherLedger,
  suffixMatch,
  type TextMatch,
} from "./string-matcher.ts";

type HeaderMatcherConfig = Messages["envoy.config.route.v3.HeaderMatcher"];

/** What of a HeaderMatcher is read. */
export const headerMatcherLedger: Ledger = {
  ...stringMatcherLedger,
  "envoy.config.route.v3.HeaderMatcher": "all",
  "envoy.type.v3.Int64Range": "all",
};

/** One condition on a header. Several lines of one name are matched one by one: one that fits is enough. */
export class HeaderMatcher {
  readonly name: string;
  readonly #id: HeaderId;
  readonly #match: TextMatch | undefined;
  readonly #wantPresent: boolean;
  readonly #invert: boolean;
  readonly #missingIsEmpty: boolean;

  /** Throws an Error with Envoy's text for a bad regex. */
  constructor(config: HeaderMatcherConfig) {
    this.name = config.name.toLowerCase();
    this.#id = this.name === "host" ? 0 : headerId(this.name);
    const specifier = config.headerMatchSpecifier;
    this.#wantPresent = specifier.case === "presentMatch" ? specifier.value : true;
    this.#match = compile(specifier);
    this.#invert = config.invertMatch;
    this.#missingIsEmpty = config.treatMissingHeaderAsEmpty;
  }

  matches(headers: HeaderMap): boolean {
    return this.#id === 0 ? this.#matchesByName(headers) : this.#matchesById(headers);
  }

  #matchesById(headers: HeaderMap): boolean {
    const value = headers.getId(this.#id);
    if (value === undefined) return this.#missing();
    if (this.#match === undefined) return this.#wantPresent !== this.#invert;
    return (this.#match(value) || this.#matchesRepeat(headers)) !== this.#invert;
  }

  #matchesByName(headers: HeaderMap): boolean {
    const value = headers.get(this.name);
    if (value === undefined) return this.#missing();
    if (this.#match === undefined) return this.#wantPresent !== this.#invert;
    return (this.#match(value) || this.#matchesRepeat(headers)) !== this.#invert;
  }

  /** Envoy does not turn the answer round when a value is asked of a header that is not there. */
  #missing(): boolean {
    if (this.#match === undefined) return this.#wantPresent === this.#invert;
    return this.#missingIsEmpty && this.#match("") !== this.#invert;
  }

  #matchesRepeat(headers: HeaderMap): boolean {
    const values = headers.getAll(this.name);
    for (let i = 1; i < values.length; i++) if (this.#match!(values[i]!)) return true;
    return false;
  }
}

/** Whether all conditions hold. */
export function matchesAll(matchers: readonly HeaderMatcher[], headers: HeaderMap): boolean {
  for (let i = 0; i < matchers.length; i++) if (!matchers[i]!.matches(headers)) return false;
  return true;
}

/** Undefined stands for "is it there?". */
function compile(specifier: HeaderMatcherConfig["headerMatchSpecifier"]): TextMatch | undefined {
  switch (specifier.case) {
    case "stringMatch":
      return compileStringMatcher(specifier.value);
    case "exactMatch":
      return exactMatch(specifier.value, false);
    case "prefixMatch":
      return prefixMatch(specifier.value, false);
    case "suffixMatch":
      return suffixMatch(specifier.value, false);
    case "containsMatch":
      return containsMatch(specifier.value, false);
    case "safeRegexMatch":
      return regexMatch(specifier.value.regex);
    case "rangeMatch":
      return rangeMatch(specifier.value.start, specifier.value.end);
    default:
      return undefined;
  }
}

const INTEGER = /^[+-]?\d{1,19}$/;

/** The whole value is a decimal integer in [start, end). */
function rangeMatch(start: bigint, end: bigint): TextMatch {
  return (text) => {
    if (!INTEGER.test(text)) return false;
    const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
    return value >= start && value < end;
  };
}
