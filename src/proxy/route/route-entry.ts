import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Cluster, Clusters, Route, StreamInfo } from "../api.ts";
import type { MetadataMatch } from "../metadata-match.ts";
import type { ClusterHandles } from "./cluster-handles.ts";
import type { DirectResponseAction } from "./direct-response-action.ts";
import type { ForwardAction } from "./forward-action.ts";
import type { HeaderMutations } from "./header-mutations.ts";
import type { PerFilterConfigs } from "./per-filter-configs.ts";
import type { RedirectAction } from "./redirect-action.ts";

export type RouteAction = ForwardAction | RedirectAction | DirectResponseAction;

/** What a RouteEntry is made of. */
export interface RouteEntryParts {
  readonly name: string;
  readonly virtualHostName: string;
  readonly clusterName: string;
  readonly action: RouteAction;
  /** In the order in which they apply. */
  readonly requestMutations: readonly HeaderMutations[];
  readonly responseMutations: readonly HeaderMutations[];
  readonly perFilter: PerFilterConfigs;
  readonly metadata: Messages["envoy.config.core.v3.Metadata"] | undefined;
  /** What hosts of the cluster must have. */
  readonly metadataMatch: MetadataMatch | undefined;
  /** A weighted cluster's own authority, which the route's rewrite then replaces; "" = none. */
  readonly hostRewrite: string;
  /** Length of the literal path or prefix that matched; -1 = the whole path. */
  readonly matchedLength: number;
}

/** A matched route: what to do with a request. One of a route's weighted clusters has an entry of its own. */
export class RouteEntry implements Route {
  readonly name: string;
  readonly virtualHostName: string;
  readonly clusterName: string;
  readonly action: RouteAction;
  readonly idleTimeout: number | undefined;
  readonly forwards: boolean;
  readonly metadata: Messages["envoy.config.core.v3.Metadata"] | undefined;
  readonly metadataMatch: MetadataMatch | undefined;
  readonly hostRewrite: string;
  readonly matchedLength: number;
  /** The router's memory: stats of the cluster that the last request went to. */
  handles: ClusterHandles | undefined = undefined;
  readonly #requestMutations: readonly HeaderMutations[];
  readonly #responseMutations: readonly HeaderMutations[];
  readonly #perFilter: PerFilterConfigs;

  constructor(parts: RouteEntryParts) {
    this.name = parts.name;
    this.virtualHostName = parts.virtualHostName;
    this.clusterName = parts.clusterName;
    this.action = parts.action;
    this.idleTimeout = parts.action.kind === "forward" ? parts.action.idleTimeout : undefined;
    this.forwards = parts.action.kind === "forward";
    this.metadata = parts.metadata;
    this.metadataMatch = parts.metadataMatch;
    this.hostRewrite = parts.hostRewrite;
    this.matchedLength = parts.matchedLength;
    this.#requestMutations = parts.requestMutations;
    this.#responseMutations = parts.responseMutations;
    this.#perFilter = parts.perFilter;
  }

  perFilter(filterName: string): unknown {
    return this.#perFilter.config(filterName);
  }

  filterDisabled(filterName: string): boolean {
    return this.#perFilter.disabled(filterName);
  }

  /** The cluster that a request goes to; undefined if there is none, or the route does not forward. */
  findCluster(headers: HeaderMap, clusters: Clusters): Cluster | undefined {
    const header = this.action.kind === "forward" ? this.action.clusterHeader : "";
    const name = header === "" ? this.clusterName : (headers.get(header) ?? "");
    return name === "" ? undefined : clusters.get(name);
  }

  upgrade(type: string): boolean | undefined {
    return this.action.kind === "forward" ? this.action.upgrades?.get(type) : undefined;
  }

  streamDuration(headers: HeaderMap): number | undefined {
    return this.action.kind === "forward" ? this.action.maxStreamDuration?.limit(headers) : undefined;
  }

  mutateRequest(headers: HeaderMap, info: StreamInfo): void {
    for (let i = 0; i < this.#requestMutations.length; i++) this.#requestMutations[i]!.apply(headers, info);
  }

  mutateResponse(headers: HeaderMap, info: StreamInfo): void {
    for (let i = 0; i < this.#responseMutations.length; i++) this.#responseMutations[i]!.apply(headers, info);
  }
}
