import { Hono } from "hono";
import { decode, fromJson, toJson } from "../proto/registry.ts";
import type { AdsServer } from "./ads-server.ts";
import { nodeIdentity, servedType, type DiscoveryRequest } from "./ads-session.ts";
import type { CatalogStore } from "./catalog-store.ts";
import type { ControlMetrics } from "./control-metrics.ts";
import { endpointAddress } from "./model.ts";
import { typeUrl, type ResourceTypeName } from "./resource.ts";
import type { WeftLimits } from "./views/weft-limits.ts";
import { NodeRefused, type Snapshot, type SnapshotBuilder } from "./snapshot.ts";

export interface ControlApiParts {
  readonly catalog: CatalogStore;
  readonly ads: AdsServer;
  readonly metrics: ControlMetrics;
  readonly snapshots: SnapshotBuilder;
  readonly ready: () => boolean;
  readonly weft?: WeftLimits;
}

const REST_TYPES: Readonly<Record<string, ResourceTypeName>> = {
  clusters: "envoy.config.cluster.v3.Cluster",
  endpoints: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  listeners: "envoy.config.listener.v3.Listener",
  routes: "envoy.config.route.v3.RouteConfiguration",
};

/** The control plane's HTTP side: health, metrics, what it knows, and xDS by REST. */
export function controlApi(parts: ControlApiParts): Hono {
  const { catalog, ads, metrics, snapshots } = parts;
  const api = new Hono();
  api.get("/healthz", (context) => context.text("OK\n"));
  api.get("/readyz", (context) =>
    parts.ready() ? context.text("OK\n") : context.text(`${waiting(parts)}\n`, 503),
  );
  api.get("/metrics", (context) =>
    context.text(metrics.render(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
  api.get("/v1/nodes", (context) => {
    const nodes = ads.sessions.map(({ node, view, connectedAt, status }) => ({
      id: node.id,
      cluster: node.cluster,
      zone: node.zone,
      peer: node.peer,
      view,
      connected_at: new Date(connectedAt).toISOString(),
      types: status,
    }));
    return context.json({ nodes, left_out_for_weft: parts.weft?.leftOut ?? [] });
  });
  api.get("/v1/sources", (context) => {
    const sources = catalog.reports().map((report) => ({
      name: report.name,
      services: report.services,
      endpoints: report.endpoints,
      last_attempt: time(report.lastAttempt),
      last_success: time(report.lastSuccess),
      error: report.error,
      holds: report.holds.map(({ since, until, ...hold }) => ({
        ...hold,
        since: time(since),
        age_seconds: Math.round((Date.now() - since) / 1000),
        until: Number.isFinite(until) ? time(until) : null,
      })),
    }));
    return context.json({ sources });
  });
  api.get("/v1/services", (context) => {
    const services = [...catalog.catalog].map(([name, endpoints]) => ({
      name,
      endpoints: endpoints.map((endpoint) => ({ address: endpointAddress(endpoint), ...endpoint })),
    }));
    return context.json({ services });
  });
  api.delete("/v1/holds/:service", (context) => {
    const service = context.req.param("service");
    if (catalog.release(service)) return context.body(null, 204);
    return context.json({ error: `no source holds endpoints of "${service}"` }, 404);
  });
  api.post("/v3/:discovery{discovery:[a-z]+}", async (context) => {
    const type = REST_TYPES[context.req.param("discovery").slice("discovery:".length)];
    if (type === undefined) return context.json({ error: "unknown resource type" }, 404);
    if (!parts.ready()) return context.json({ error: waiting(parts) }, 503);
    try {
      const request = fromJson(
        "envoy.service.discovery.v3.DiscoveryRequest",
        (await context.req.json()) as never,
      );
      const answer = restAnswer(type, request, snapshots.build(nodeIdentity(request, ""), Date.now()));
      return answer === undefined ? context.body(null, 304) : context.json(answer as object);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return context.json({ error: text }, error instanceof NodeRefused ? 403 : 400);
    }
  });
  return api;
}

/** Undefined when the client has this version already. */
function restAnswer(type: ResourceTypeName, request: DiscoveryRequest, snapshot: Snapshot): unknown {
  if (request.typeUrl !== "" && servedType(request.typeUrl) !== type) {
    throw new Error(`type_url is ${request.typeUrl}, this path serves ${typeUrl(type)}`);
  }
  const available = snapshot.sets.get(type)!;
  const names = new Set(request.resourceNames);
  const all = names.size === 0 || names.has("*");
  const wanted = all ? available : available.select(names, request.resourceNames.toSorted().join("\n"));
  if (request.versionInfo === wanted.version) return undefined;
  // Through bytes, so that what REST clients see is exactly what the streams carry.
  return toJson(
    "envoy.service.discovery.v3.DiscoveryResponse",
    decode("envoy.service.discovery.v3.DiscoveryResponse", wanted.encode(wanted.version, "")),
  );
}

function waiting({ catalog }: ControlApiParts): string {
  return `waiting for the first reading of ${catalog.unread.join(", ")}`;
}

function time(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString();
}
