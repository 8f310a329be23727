import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { compileStringMatcher, stringMatcherLedger, type TextMatch } from "./string-matcher.ts";

/** What of a QueryParameterMatcher is read. */
export const queryParameterMatcherLedger: Ledger = {
  ...stringMatcherLedger,
  "envoy.config.route.v3.QueryParameterMatcher": "all",
};

/** One condition on a query parameter; the first of its name counts. Values are compared as they stand, not decoded. */
export class QueryParameterMatcher {
  readonly #name: string;
  readonly #match: TextMatch | undefined;
  readonly #wantPresent: boolean;

  constructor(config: Messages["envoy.config.route.v3.QueryParameterMatcher"]) {
    this.#name = config.name;
    const specifier = config.queryParameterMatchSpecifier;
    this.#match = specifier.case === "stringMatch" ? compileStringMatcher(specifier.value) : undefined;
    this.#wantPresent = specifier.case === "presentMatch" ? specifier.value : true;
  }

  matches(path: string): boolean {
    const value = queryParameter(path, this.#name);
    if (this.#match === undefined) return (value !== undefined) === this.#wantPresent;
    return value !== undefined && this.#match(value);
  }
}

/** First value of a query parameter of a path, as it stands; undefined when it is absent. */
export function queryParameter(path: string, name: string): string | undefined {
  let at = path.indexOf("?");
  if (at < 0) return undefined;
  const hash = path.indexOf("#", at);
  const end = hash < 0 ? path.length : hash;
  at++;
  while (at <= end) {
    const amp = path.indexOf("&", at);
    const stop = amp < 0 || amp > end ? end : amp;
    if (path.startsWith(name, at)) {
      const after = at + name.length;
      if (after === stop) return "";
      if (after < stop && path.charCodeAt(after) === 61) return path.slice(after + 1, stop);
    }
    at = stop + 1;
  }
  return undefined;
}
