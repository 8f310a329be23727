import { Hono } from "hono";
import { create, decode, encode, fromJson, toJson, type MessageOf } from "../proto/registry.ts";
import type { AdsServer } from "./ads-server.ts";
import { nodeIdentity, servedType } from "./ads-session.ts";
import type { CatalogStore } from "./catalog-store.ts";
import type { ControlMetrics } from "./control-metrics.ts";
import { endpointAddress } from "./model.ts";
import { typeUrl, type ResourceTypeName } from "./resource.ts";
import { NodeRefused, setVersion, type SnapshotBuilder } from "./snapshot.ts";

export interface ControlApiParts {
  readonly catalog: CatalogStore;
  readonly ads: AdsServer;
  readonly metrics: ControlMetrics;
  readonly snapshots: SnapshotBuilder;
  readonly ready: () => boolean;
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
    parts.ready() ? context.text("OK\n") : context.text("waiting for the first full sync\n", 503),
  );
  api.get("/metrics", (context) => {
    fillGauges(parts);
    return context.text(metrics.render());
  });
  api.get("/v1/nodes", (context) => {
    const nodes = ads.sessions.map(({ node, view, connectedAt, status }) => ({
      id: node.id,
      cluster: node.cluster,
      zone: node.zone,
      view,
      connected_at: new Date(connectedAt).toISOString(),
      types: status,
    }));
    return context.json({ nodes });
  });
  api.get("/v1/sources", (context) => {
    const sources = catalog.reports().map((report) => ({
      name: report.name,
      services: report.services,
      endpoints: report.endpoints,
      last_attempt: time(report.lastAttempt),
      last_success: time(report.lastSuccess),
      error: report.error,
      holds: report.holds.map((hold) => ({ ...hold, since: time(hold.since) })),
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
  api.post("/v3/:discovery{discovery:[a-z]+}", async (context) => {
    const type = REST_TYPES[context.req.param("discovery").slice("discovery:".length)];
    if (type === undefined) return context.json({ error: "unknown resource type" }, 404);
    if (!parts.ready()) return context.json({ error: "waiting for the first full sync" }, 503);
    try {
      const request = fromJson(
        "envoy.service.discovery.v3.DiscoveryRequest",
        (await context.req.json()) as never,
      );
      const answer = restAnswer(type, request, snapshots);
      return answer === undefined ? context.body(null, 304) : context.json(answer as object);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return context.json({ error: text }, error instanceof NodeRefused ? 403 : 400);
    }
  });
  return api;
}

/** Undefined when the client has this version already. */
function restAnswer(
  type: ResourceTypeName,
  request: MessageOf<"envoy.service.discovery.v3.DiscoveryRequest">,
  snapshots: SnapshotBuilder,
): unknown {
  if (request.typeUrl !== "" && servedType(request.typeUrl) !== type) {
    throw new Error(`type_url is ${request.typeUrl}, this path serves ${typeUrl(type)}`);
  }
  const available = [...snapshots.build(nodeIdentity(request)).resources.get(type)!.values()];
  const names = new Set(request.resourceNames);
  const wanted =
    names.size === 0 || names.has("*") ? available : available.filter((each) => names.has(each.name));
  const version = setVersion(wanted);
  if (request.versionInfo === version) return undefined;
  const message = create("envoy.service.discovery.v3.DiscoveryResponse", {
    typeUrl: typeUrl(type),
    versionInfo: version,
    resources: wanted.map((each) => ({ typeUrl: typeUrl(type), value: each.bytes })),
  });
  // Through bytes, so that what REST clients see is exactly what the streams carry.
  const bytes = encode("envoy.service.discovery.v3.DiscoveryResponse", message);
  return toJson(
    "envoy.service.discovery.v3.DiscoveryResponse",
    decode("envoy.service.discovery.v3.DiscoveryResponse", bytes),
  );
}

function fillGauges({ catalog, ads, metrics }: ControlApiParts): void {
  for (const gauge of [
    metrics.nodes,
    metrics.sourceAge,
    metrics.sourceErrors,
    metrics.endpoints,
    metrics.held,
  ])
    gauge.clear();
  for (const session of ads.sessions) metrics.nodes.add({ view: session.view || "none" }, 1);
  for (const report of catalog.reports()) {
    const source = { source: report.name };
    if (report.lastSuccess > 0) metrics.sourceAge.set(source, (Date.now() - report.lastSuccess) / 1000);
    metrics.sourceErrors.set(source, report.error === "" ? 0 : 1);
    metrics.endpoints.set(source, report.endpoints);
    metrics.held.set(
      source,
      report.holds.reduce((sum, hold) => sum + hold.kept - hold.reported, 0),
    );
  }
}

function time(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString();
}
