import type { SafeRegex } from "../../base/safe-regex.ts";
import { isGrpcContentType } from "../../grpc/content-type.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { matchesAll, type HeaderMatcher } from "../matcher/header-matcher.ts";
import type { QueryParameterMatcher } from "../matcher/query-parameter-matcher.ts";
import type { RuntimeFraction } from "../matcher/runtime-fraction.ts";
import type { RouteEntry } from "./route-entry.ts";
import type { WeightedChoice } from "./weighted-choice.ts";

const CONTENT_TYPE = knownHeaderId("content-type");

/** How a route matches paths. "connect": requests of that method, which have none. "never": a kind of match that is not supported and was allowed. */
export type PathMatch =
  | { readonly kind: "prefix" | "path" | "separated"; readonly text: string; readonly ignoreCase: boolean }
  | { readonly kind: "regex"; readonly regex: SafeRegex }
  | { readonly kind: "connect" }
  | { readonly kind: "never" };

/** One route of a virtual host. */
export interface CompiledRoute {
  readonly path: PathMatch;
  /** What a request must fulfil besides its path; undefined = nothing. */
  readonly conditions: RouteConditions | undefined;
  readonly entry: RouteEntry;
  readonly weighted: WeightedChoice | undefined;
}

/** The conditions of a match other than the path; all must hold. */
export class RouteConditions {
  readonly #headers: readonly HeaderMatcher[];
  readonly #query: readonly QueryParameterMatcher[];
  readonly #fraction: RuntimeFraction | undefined;
  readonly #grpc: boolean;

  constructor(
    headers: readonly HeaderMatcher[],
    query: readonly QueryParameterMatcher[],
    fraction: RuntimeFraction | undefined,
    grpc: boolean,
  ) {
    this.#headers = headers;
    this.#query = query;
    this.#fraction = fraction;
    this.#grpc = grpc;
  }

  hold(headers: HeaderMap, random: number): boolean {
    if (this.#fraction !== undefined && !this.#fraction.includes(random)) return false;
    if (this.#grpc && !isGrpcContentType(headers.getId(CONTENT_TYPE))) return false;
    if (!matchesAll(this.#headers, headers)) return false;
    for (let i = 0; i < this.#query.length; i++) if (!this.#query[i]!.matches(headers.path)) return false;
    return true;
  }
}
