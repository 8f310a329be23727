import { memoryUsage } from "node:process";
import type { MergedStats } from "../../stats/merged-stats.ts";
import { ADMIN_HTTP_STATS, ASYNC_CLIENT_STATS } from "../../stats/stat-names/http.ts";
import { GLOBAL_STATS } from "../../stats/stat-names/global.ts";
import { ADMIN_LISTENER_STATS } from "../../stats/stat-names/listener.ts";
import { declareStats } from "../../stats/stat-names/stat-names.ts";
import type { StatStore } from "../../stats/stat-store.ts";
import type { ServerState } from "../admin/admin-host.ts";

/** Values of the gauge server.state. */
const STATES: Readonly<Record<ServerState, number>> = {
  LIVE: 0,
  DRAINING: 1,
  PRE_INITIALIZING: 2,
  INITIALIZING: 3,
};
/** What Envoy shows without any certificate. */
const NO_CERTIFICATE = 4_294_967_295;
const DAY_SECONDS = 86_400;

/** Makes the names that every process has show up. */
export function declareServerStats(merged: MergedStats, concurrency: number): void {
  declareStats(merged, "", GLOBAL_STATS);
  declareStats(merged, "http.admin.", ADMIN_HTTP_STATS);
  declareStats(merged, "http.async-client.", ASYNC_CLIENT_STATS);
  declareStats(merged, "listener.admin.", ADMIN_LISTENER_STATS);
  for (let i = 0; i < concurrency; i++) {
    merged.declare(`server.worker_${i}.watchdog_miss`, "counter");
    merged.declare(`server.worker_${i}.watchdog_mega_miss`, "counter");
    merged.declare(`thread_local_cluster_manager.worker_${i}.clusters_inflated`, "gauge");
  }
}

/** Brings the process's own gauges up to date. */
export function refreshServerStats(
  merged: MergedStats,
  stats: StatStore,
  state: ServerState,
  uptimeMs: number,
  wallMs: number,
): void {
  const { heapUsed, heapTotal, rss } = memoryUsage();
  const server = stats.scope("server.");
  server.gauge("uptime").set(Math.floor(uptimeMs / 1000));
  server.gauge("state").set(STATES[state]);
  server.gauge("live").set(state === "LIVE" ? 1 : 0);
  server.gauge("memory_allocated").set(heapUsed);
  server.gauge("memory_heap_size").set(heapTotal);
  server.gauge("memory_physical_size").set(rss);
  server.gauge("days_until_first_cert_expiring").set(daysUntilFirstExpiry(merged, wallMs));
  server.gauge("total_connections").set(openConnections(merged));
}

/** Whole days, from what the TLS contexts in use say of their certificates; 0 for one that has expired. */
function daysUntilFirstExpiry(merged: MergedStats, wallMs: number): number {
  let first = Number.POSITIVE_INFINITY;
  for (const scope of ["listener.", "cluster."])
    for (const [name, seconds] of merged.gauges(scope))
      if (seconds < first && name.endsWith(".expiration_unix_time_seconds")) first = seconds;
  if (first === Number.POSITIVE_INFINITY) return NO_CERTIFICATE;
  return Math.max(0, Math.floor((first - wallMs / 1000) / DAY_SECONDS));
}

/** Client connections that are open in all workers. */
export function openConnections(merged: MergedStats): number {
  let total = 0;
  for (const [name, value] of merged.gauges("listener.")) {
    if (name.startsWith("listener.admin.")) continue;
    if (name.endsWith(".downstream_cx_active") && !/\.worker_\d+\.downstream_cx_active$/.test(name))
      total += value;
  }
  return total;
}
