import type { JsonValue } from "@bufbuild/protobuf";
import type { EdgeRoute } from "../policy/edge-route.ts";
import { refine } from "../policy/settings-for.ts";
import type { JsonFields } from "./envoy-json.ts";
import { patched } from "./patched.ts";
import { combineMatches, escape, routeMatch, type CombinedMatch, type Match } from "./route-match.ts";
import { routeAction, type Special } from "./route-action.ts";
import type { Scope } from "./scope.ts";

const ROUTE = "envoy.config.route.v3.Route";

/** How requests come to a service: all of them, or those that a route of an edge sends there. */
export interface Entry extends Match, Special {
  readonly rewrite_prefix?: string | undefined;
}

/**
 * The routes to a service, the special cases of the service first. An entry that names instances itself (version, split,
 * subset) leaves the special cases out.
 * @param timeoutMs when neither the entry nor the service says
 */
export function serviceRoutes(scope: Scope, service: string, entry: Entry, timeoutMs: number): JsonValue[] {
  const { routes = [] } = scope.settings(service);
  const special = entry.version ?? entry.split ?? entry.subset;
  const cases = special === undefined ? routes : [];
  const list = cases.flatMap((each, i) => {
    const match = combineMatches(entry, each);
    if (match === undefined) return [];
    const action = refine<Special>(specialOf(each), specialOf(entry));
    const patches = [each.envoy?.route, entry.envoy?.route];
    return [route(scope, service, { name: `${service}/${i + 1}`, match, action, patches, timeoutMs })];
  });
  const rest = {
    match: { ...entry, conditions: [entry] },
    action: specialOf(entry),
    patches: [entry.envoy?.route],
  };
  return [...list, route(scope, service, { name: service, ...rest, timeoutMs })];
}

interface RouteParts {
  readonly name: string;
  readonly match: CombinedMatch;
  readonly action: Special;
  readonly patches: readonly (object | undefined)[];
  readonly timeoutMs: number;
}

function route(scope: Scope, service: string, parts: RouteParts): JsonValue {
  const { name, match, action, patches, timeoutMs } = parts;
  const json: JsonFields = {
    name,
    match: routeMatch(match),
    ...routeAction(scope, service, action, timeoutMs, rewrite(match)),
  };
  return patched(
    ROUTE,
    json,
    [...scope.settings(service).envoy.route, ...patches].filter((each) => each !== undefined),
  );
}

function specialOf<T extends Match & Special>(all: T): Special {
  const { prefix: _p, path: _a, regex: _r, methods: _m, headers: _h, cookies: _c, query: _q, ...rest } = all;
  const { rewrite_prefix: _w, service: _s, ...special } = rest as typeof rest & Partial<EdgeRoute>;
  return special;
}

/** Puts the new prefix in the place of the old one, with exactly one slash between it and the rest. */
function rewrite({ prefix, path, rewrite_prefix: to }: CombinedMatch): JsonFields {
  if (to === undefined) return {};
  if (prefix === "/") return { prefix_rewrite: to.replace(/\/*$/, "/") };
  if (path !== undefined || prefix === undefined || !to.endsWith("/")) return { prefix_rewrite: to };
  const old = escape(prefix.replace(/\/+$/, ""));
  return {
    regex_rewrite: { pattern: { regex: `^${old}/*` }, substitution: to.replaceAll("\\", "\\\\") },
  };
}
