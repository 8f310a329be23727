import { SafeRegex } from "../../base/safe-regex.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { HeaderMatcher } from "../matcher/header-matcher.ts";
import { QueryParameterMatcher } from "../matcher/query-parameter-matcher.ts";
import { RuntimeFraction } from "../matcher/runtime-fraction.ts";
import { MetadataMatch } from "../metadata-match.ts";
import { RouteConditions, type CompiledRoute, type PathMatch } from "./compiled-route.ts";
import { DirectResponseAction } from "./direct-response-action.ts";
import { compileForwardAction } from "./forward-action.ts";
import { compileHeaderMutations, type HeaderMutations } from "./header-mutations.ts";
import { compileMirrorPolicies, type MirrorPolicy } from "./mirror-policy.ts";
import { PerFilterConfigs } from "./per-filter-configs.ts";
import { RedirectAction } from "./redirect-action.ts";
import type { RouteCompileContext } from "./route-compile-context.ts";
import { RouteEntry, type RouteAction, type RouteEntryParts } from "./route-entry.ts";
import { WeightedChoice, type WeightedEntry } from "./weighted-choice.ts";

type RouteConfig = Messages["envoy.config.route.v3.Route"];
type RouteMatchConfig = Messages["envoy.config.route.v3.RouteMatch"];
type WeightedClusterConfig = Messages["envoy.config.route.v3.WeightedCluster"];

/** Header operations of the levels above, undefined where a level has none. */
export interface OuterMutations {
  readonly virtualHost: HeaderMutations | undefined;
  readonly table: HeaderMutations | undefined;
}

/** What a route inherits. */
export interface RouteParent {
  readonly config: Messages["envoy.config.route.v3.VirtualHost"];
  readonly request: OuterMutations;
  readonly response: OuterMutations;
  readonly perFilter: PerFilterConfigs;
  readonly mostSpecificWins: boolean;
  readonly maxDirectResponseBody: number | undefined;
  /** Of the whole table. */
  readonly mirrorPolicies: readonly MirrorPolicy[];
  readonly context: RouteCompileContext;
}

/** Compiles one route. Throws an Error with Envoy's text for what is wrong in it. */
export function compileRoute(config: RouteConfig, parent: RouteParent): CompiledRoute {
  const { context } = parent;
  const operators = context.extensions.operators;
  const match = config.match;
  if (match === undefined) throw new Error("Route: match must be set");
  const path = compilePathMatch(match);
  const action = compileAction(config, parent);
  const request = compileHeaderMutations(
    config.requestHeadersToAdd,
    config.requestHeadersToRemove,
    operators,
  );
  const response = compileHeaderMutations(
    config.responseHeadersToAdd,
    config.responseHeadersToRemove,
    operators,
  );
  const parts: RouteEntryParts = {
    name: config.name,
    virtualHostName: parent.config.name,
    clusterName: clusterName(config),
    action,
    requestMutations: inOrder(request, parent.request, parent.mostSpecificWins),
    responseMutations: inOrder(response, parent.response, parent.mostSpecificWins),
    perFilter: PerFilterConfigs.extend(parent.perFilter, config.typedPerFilterConfig, context),
    metadata: config.metadata,
    metadataMatch:
      config.action.case === "route" ? MetadataMatch.of(config.action.value.metadataMatch) : undefined,
    hostRewrite: "",
    matchedLength: "text" in path ? path.text.length : -1,
  };
  return {
    path,
    conditions: compileConditions(match, context),
    entry: new RouteEntry(parts),
    weighted: compileWeighted(config, parts, context),
  };
}

function compileAction(config: RouteConfig, parent: RouteParent): RouteAction {
  const action = config.action;
  switch (action.case) {
    case "route":
      return compileForwardAction(
        action.value,
        parent.config,
        bufferLimit(config) ?? bufferLimit(parent.config),
        mirrors(action.value, parent),
      );
    case "redirect":
      return new RedirectAction(action.value);
    case "directResponse":
      return new DirectResponseAction(
        action.value,
        parent.maxDirectResponseBody,
        parent.context.extensions.operators,
      );
    default:
      throw new Error(`Route: action ${action.case ?? "(none)"} is not supported`);
  }
}

/** The innermost level that has any counts alone. */
function mirrors(
  action: Messages["envoy.config.route.v3.RouteAction"],
  { config, mirrorPolicies, context }: RouteParent,
): readonly MirrorPolicy[] {
  for (const { requestMirrorPolicies } of [action, config])
    if (requestMirrorPolicies.length > 0) return compileMirrorPolicies(requestMirrorPolicies, context);
  return mirrorPolicies;
}

function bufferLimit(
  config: RouteConfig | Messages["envoy.config.route.v3.VirtualHost"],
): number | undefined {
  if (config.requestBodyBufferLimit !== undefined) return Number(config.requestBodyBufferLimit);
  return config.perRequestBufferLimitBytes;
}

function clusterName(config: RouteConfig): string {
  if (config.action.case !== "route") return "";
  const specifier = config.action.value.clusterSpecifier;
  return specifier.case === "cluster" ? specifier.value : "";
}

function compilePathMatch(match: RouteMatchConfig): PathMatch {
  const specifier = match.pathSpecifier;
  const ignoreCase = match.caseSensitive === false;
  switch (specifier.case) {
    case "prefix":
      return { kind: "prefix", text: toLatin1(specifier.value), ignoreCase };
    case "path":
      return { kind: "path", text: toLatin1(specifier.value), ignoreCase };
    case "pathSeparatedPrefix":
      return { kind: "separated", text: toLatin1(specifier.value), ignoreCase };
    case "safeRegex":
      return { kind: "regex", regex: new SafeRegex(specifier.value.regex) };
    case "connectMatcher":
      return { kind: "connect" };
    default:
      return { kind: "never" };
  }
}

/** Paths are one character per byte. */
function toLatin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function compileConditions(
  match: RouteMatchConfig,
  context: RouteCompileContext,
): RouteConditions | undefined {
  const { headers, queryParameters, runtimeFraction, grpc } = match;
  if (headers.length === 0 && queryParameters.length === 0 && !runtimeFraction && !grpc) return undefined;
  return new RouteConditions(
    headers.map((each) => new HeaderMatcher(each)),
    queryParameters.map((each) => new QueryParameterMatcher(each)),
    runtimeFraction && new RuntimeFraction(runtimeFraction, context.factory.runtime),
    grpc !== undefined,
  );
}

/** The one applied last wins: by default that of the route table. */
function inOrder(
  route: HeaderMutations | undefined,
  outer: OuterMutations,
  mostSpecificWins: boolean,
): HeaderMutations[] {
  const levels = [route, outer.virtualHost, outer.table];
  if (mostSpecificWins) levels.reverse();
  return levels.filter((level) => level !== undefined);
}

function compileWeighted(
  config: RouteConfig,
  parts: RouteEntryParts,
  context: RouteCompileContext,
): WeightedChoice | undefined {
  if (config.action.case !== "route") return undefined;
  const specifier = config.action.value.clusterSpecifier;
  if (specifier.case !== "weightedClusters") return undefined;
  const weighted = specifier.value;
  const random = weighted.randomValueSpecifier;
  const entries = weighted.clusters.map((cluster) => compileCluster(cluster, weighted, parts, context));
  const header = random.case === "headerName" ? random.value.toLowerCase() : "";
  return new WeightedChoice(entries, header, context.factory.runtime);
}

function compileCluster(
  cluster: WeightedClusterConfig["clusters"][number],
  weighted: WeightedClusterConfig,
  parts: RouteEntryParts,
  context: RouteCompileContext,
): WeightedEntry {
  if (cluster.name !== "" && cluster.clusterHeader !== "")
    throw new Error("Only one of name or cluster_header can be specified");
  if (cluster.name === "" && cluster.clusterHeader === "")
    throw new Error("At least one of name or cluster_header need to be specified");
  const operators = context.extensions.operators;
  const request = compileHeaderMutations(
    cluster.requestHeadersToAdd,
    cluster.requestHeadersToRemove,
    operators,
  );
  const response = compileHeaderMutations(
    cluster.responseHeadersToAdd,
    cluster.responseHeadersToRemove,
    operators,
  );
  const host = cluster.hostRewriteSpecifier;
  const action = parts.action as Extract<RouteAction, { kind: "forward" }>;
  const entry = new RouteEntry({
    ...parts,
    clusterName: cluster.name,
    action:
      cluster.clusterHeader === ""
        ? action
        : { ...action, clusterHeader: cluster.clusterHeader.toLowerCase() },
    requestMutations: request === undefined ? parts.requestMutations : [request, ...parts.requestMutations],
    responseMutations:
      response === undefined ? parts.responseMutations : [response, ...parts.responseMutations],
    perFilter: PerFilterConfigs.extend(parts.perFilter, cluster.typedPerFilterConfig, context),
    metadataMatch: MetadataMatch.of(cluster.metadataMatch, parts.metadataMatch),
    hostRewrite: host.case === "hostRewriteLiteral" ? host.value : "",
  });
  const key = weighted.runtimeKeyPrefix === "" ? "" : `${weighted.runtimeKeyPrefix}.${cluster.name}`;
  return { entry, weight: cluster.weight ?? 0, runtimeKey: key };
}
