import { systemClock } from "../base/clock.ts";
import { Hono } from "hono";
import type { AdsServer } from "./xds/ads-server.ts";
import type { ApiAccess } from "./api-access.ts";
import type { AuditLog } from "./audit-log.ts";
import type { CatalogStore } from "./catalog/catalog-store.ts";
import type { ControlMetrics } from "./control-metrics.ts";
import { explain } from "./explain/explain.ts";
import { endpointAddress } from "./model.ts";
import { nodeResources } from "./xds/node-resources.ts";
import type { MeshPolicy } from "./policy/mesh-policy.ts";
import { restDiscovery } from "./xds/rest-discovery.ts";
import type { SnapshotBuilder } from "./xds/snapshot.ts";
import type { SourceNotes } from "./catalog/source-notes.ts";
import { trafficApi } from "./traffic/traffic-api.ts";
import type { Traffic } from "./traffic/traffic.ts";
import type { WeftLimits } from "./views/weft-limits.ts";

export interface ControlApiParts {
  readonly access: ApiAccess;
  readonly catalog: CatalogStore;
  readonly ads: AdsServer;
  readonly metrics: ControlMetrics;
  readonly snapshots: SnapshotBuilder;
  readonly traffic: Traffic;
  readonly ready: () => boolean;
  readonly weft?: WeftLimits;
  readonly audit: AuditLog;
  /** What sources left out, by source. */
  readonly notes: ReadonlyMap<string, SourceNotes>;
  /** The policy in force. */
  readonly policy: () => MeshPolicy;
  /** Policy, revisions and deployments. */
  readonly configuration: Hono;
}

/** Longest wait for an event. */
const MAX_WAIT_SECONDS = 300;

/** The control plane's HTTP side: health, metrics, what it knows, and xDS by REST. */
export function controlApi(parts: ControlApiParts): Hono {
  const { catalog, ads, metrics } = parts;
  const api = new Hono();
  api.use(parts.access.check);
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
        age_seconds: Math.round((systemClock.wall() - since) / 1000),
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
  api.get("/v1/nodes/:id/resources", (context) => {
    const id = context.req.param("id");
    const sessions = ads.sessions.filter(({ node }) => node.id === id);
    if (sessions.length === 0) return context.json({ error: `no node "${id}" is connected` }, 404);
    return context.json(nodeResources(sessions));
  });
  api.get("/v1/events", async (context) => {
    const after = Number(context.req.query("after") ?? 0);
    const wait = Number(context.req.query("wait") ?? 0);
    if (!(after >= 0 && wait >= 0 && wait <= MAX_WAIT_SECONDS))
      return context.json(
        { error: `after and wait are numbers, wait at most ${MAX_WAIT_SECONDS} seconds` },
        400,
      );
    const signal = AbortSignal.any([context.req.raw.signal, AbortSignal.timeout(wait * 1000)]);
    return context.json({ events: await parts.audit.next(after, signal) });
  });
  api.get("/v1/explain", (context) => {
    const what = context.req.query("what") ?? "";
    if (what === "") return context.json({ error: "give what=SERVICE, IP:PORT or the name of a pod" }, 400);
    const { notes } = parts;
    const { sessions } = ads;
    return context.json(
      explain(what, { catalog, sessions, policy: parts.policy(), notes, now: systemClock.wall() }),
    );
  });
  api.delete("/v1/holds/:service", (context) => {
    const service = context.req.param("service");
    if (catalog.release(service)) return context.body(null, 204);
    return context.json({ error: `no source holds endpoints of "${service}"` }, 404);
  });
  api.route("/", parts.configuration);
  api.route("/", trafficApi(parts.traffic));
  api.route("/", restDiscovery({ ...parts, waiting: () => waiting(parts) }));
  return api;
}

function waiting({ catalog }: ControlApiParts): string {
  return `waiting for the first reading of ${catalog.unread.join(", ")}`;
}

function time(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString();
}
