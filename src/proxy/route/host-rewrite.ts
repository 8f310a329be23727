import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { pathEnd, RegexRewrite } from "./path-rewrite.ts";

type Specifier = Messages["envoy.config.route.v3.RouteAction"]["hostRewriteSpecifier"];

/** Finds the authority that replaces a request's. */
export class HostRewrite {
  readonly #literal: string;
  readonly #header: string;
  readonly #pathRegex: RegexRewrite | undefined;

  constructor(literal: string, header: string, pathRegex: RegexRewrite | undefined) {
    this.#literal = literal;
    this.#header = header;
    this.#pathRegex = pathRegex;
  }

  /** "" = leave the authority as it is. */
  apply(headers: HeaderMap): string {
    if (this.#literal !== "") return this.#literal;
    if (this.#header !== "") return headers.get(this.#header) ?? "";
    if (this.#pathRegex === undefined) return "";
    return this.#pathRegex.apply(headers.path.slice(0, pathEnd(headers.path)));
  }
}

/** Undefined when nothing is rewritten or the upstream's hostname is taken (auto_host_rewrite). */
export function compileHostRewrite(specifier: Specifier): HostRewrite | undefined {
  switch (specifier.case) {
    case "hostRewriteLiteral":
      return new HostRewrite(specifier.value, "", undefined);
    case "hostRewriteHeader":
      return new HostRewrite("", specifier.value.toLowerCase(), undefined);
    case "hostRewritePathRegex":
      return new HostRewrite("", "", new RegexRewrite(specifier.value));
    default:
      return undefined;
  }
}
