import type { JsonValue } from "@bufbuild/protobuf";
import type { ServiceRoute, ValueMatch } from "../policy/route-settings.ts";
import type { JsonFields } from "./envoy-json.ts";

/** Which requests a route takes, as the policy says it. */
export type Match = Pick<
  ServiceRoute,
  "prefix" | "path" | "regex" | "methods" | "headers" | "cookies" | "query"
>;

/** Which of all requests to a service, and what their path becomes. */
export interface CombinedMatch extends Match {
  /** What the prefix or path becomes on the way to the service; as it came when left out. */
  readonly rewrite_prefix?: string | undefined;
  /** A second condition on the path, over it and the query: RouteMatch has room for one. */
  readonly wholePath?: string | undefined;
  /** Whose conditions besides the path must hold. */
  readonly conditions: readonly Match[];
}

/** A match as Envoy's RouteMatch; without any path it takes all of them. */
export function routeMatch(match: CombinedMatch): JsonValue {
  const whole =
    match.wholePath === undefined
      ? []
      : [{ name: ":path", string_match: { safe_regex: { regex: match.wholePath } } }];
  const conditions = match.conditions.flatMap((each) => [
    ...methodMatch(each.methods),
    ...Object.entries(each.headers ?? {}).map(([name, value]) => ({ name, ...valueCondition(value) })),
    ...Object.entries(each.cookies ?? {}).map(([name, value]) => cookieMatch(name, value)),
  ]);
  const headers = [...whole, ...conditions];
  const query = match.conditions.flatMap((each) =>
    Object.entries(each.query ?? {}).map(([name, value]) => ({ name, ...valueCondition(value) })),
  );
  return {
    ...pathMatch(match),
    ...(headers.length > 0 && { headers }),
    ...(query.length > 0 && { query_parameters: query }),
  };
}

/**
 * The requests that both take, where `outer` leads to the service and `inner` is one of the service's own cases, which sees
 * paths after `rewrite_prefix` took the place of the outer prefix. Undefined when there are none.
 */
export function combineMatches(
  outer: Match & { readonly rewrite_prefix?: string | undefined },
  inner: Match,
): CombinedMatch | undefined {
  const path = combinePaths(outer, inner);
  return path === undefined ? undefined : { ...path, conditions: [outer, inner] };
}

type PathMatch = Pick<CombinedMatch, "prefix" | "path" | "regex" | "rewrite_prefix" | "wholePath">;

function combinePaths(outer: PathMatch, inner: Match): PathMatch | undefined {
  const {
    prefix = outer.path === undefined && outer.regex === undefined ? "/" : undefined,
    path,
    regex,
  } = outer;
  const rewrite = outer.rewrite_prefix;
  const all: PathMatch = { prefix, path, regex, rewrite_prefix: rewrite };
  if (inner.regex !== undefined) {
    // What the path becomes is not known to a regular expression; reference-problems.ts refuses such policies.
    if (rewrite !== undefined && !(prefix === "/" && rewrite === "/")) return undefined;
    if (prefix === "/") return { regex: inner.regex };
    if (prefix !== undefined) return { regex: inner.regex, wholePath: below(trim(prefix)) };
    return { path, regex, wholePath: `(?:${inner.regex})(?:\\?.*)?` };
  }
  const wanted = inner.path ?? trim(inner.prefix ?? "/");
  if (wanted === "") return all;
  if (regex !== undefined)
    return { regex, wholePath: inner.path === undefined ? below(wanted) : `${escape(wanted)}(?:\\?.*)?` };
  const from = trim(prefix ?? path!);
  const to = rewrite === undefined ? from : trim(rewrite);
  if (path !== undefined) {
    const seen = to === "" ? "/" : to;
    return (inner.path === undefined ? isBelow(seen, wanted) : inner.path === seen) ? all : undefined;
  }
  if (isBelow(wanted, to)) {
    const here = from + wanted.slice(to.length);
    const becomes = rewrite === undefined ? undefined : wanted;
    return inner.path === undefined
      ? { prefix: here, rewrite_prefix: becomes }
      : { path: here, rewrite_prefix: becomes };
  }
  return inner.path === undefined && isBelow(to, wanted) ? all : undefined;
}

/** A regular expression for paths, with their query, that are below a prefix. */
function below(prefix: string): string {
  return `${escape(prefix)}(?:[/?].*)?`;
}

function isBelow(path: string, prefix: string): boolean {
  return `${path}/`.startsWith(`${prefix}/`);
}

function trim(path: string): string {
  return path.replace(/\/+$/, "");
}

function pathMatch({ prefix = "/", path, regex }: PathMatch): JsonFields {
  if (path !== undefined) return { path };
  if (regex !== undefined) return { safe_regex: { regex } };
  const trimmed = trim(prefix);
  return trimmed === "" ? { prefix: "/" } : { path_separated_prefix: trimmed };
}

function methodMatch(methods: readonly string[] | undefined): JsonValue[] {
  if (methods === undefined) return [];
  const one = methods.length === 1;
  return [
    {
      name: ":method",
      string_match: one ? { exact: methods[0]! } : { safe_regex: { regex: methods.join("|") } },
    },
  ];
}

function valueCondition(value: ValueMatch): JsonFields {
  if (value.present !== undefined) return { present_match: value.present };
  const { regex, exact, prefix, suffix, contains } = value;
  if (regex !== undefined) return { string_match: { safe_regex: { regex } } };
  if (exact !== undefined) return { string_match: { exact } };
  if (prefix !== undefined) return { string_match: { prefix } };
  return { string_match: suffix === undefined ? { contains: contains! } : { suffix } };
}

/** All cookies of a request are one header, so a condition on one of them is a regular expression over the header. */
function cookieMatch(name: string, value: ValueMatch): JsonValue {
  const any = "[^;]*";
  const pattern =
    value.regex !== undefined
      ? `(?:${value.regex})`
      : value.exact !== undefined
        ? escape(value.exact)
        : `${value.prefix === undefined ? any : escape(value.prefix) + any}${
            value.contains === undefined ? "" : escape(value.contains) + any
          }${value.suffix === undefined ? "" : escape(value.suffix)}`;
  const regex = `(?:.*;\\s*)?${escape(name)}=${pattern}(?:\\s*;.*)?`;
  const match: JsonFields = { name: "cookie", string_match: { safe_regex: { regex } } };
  return value.present === false
    ? { ...match, invert_match: true, treat_missing_header_as_empty: true }
    : match;
}

/** A text as a regular expression that only it matches. */
export function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
