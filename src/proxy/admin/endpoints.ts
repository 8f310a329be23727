import { certs } from "./certs.ts";
import { clusters } from "./clusters.ts";
import { configDump } from "./config-dump/config-dump.ts";
import { contention } from "./contention.ts";
import type { AdminEndpoint } from "./endpoint.ts";
import { healthcheckFail, healthcheckOk } from "./healthcheck.ts";
import { help } from "./help.ts";
import { home } from "./home.ts";
import { hotRestartVersion } from "./hot-restart-version.ts";
import { initDump } from "./config-dump/init-dump.ts";
import { drainListeners, quitQuitQuit, reopenLogs, resetCounters } from "./lifecycle.ts";
import { listeners } from "./listeners.ts";
import { logging } from "./logging.ts";
import { memory, memoryTcmalloc } from "./memory.ts";
import { allocProfiler, cpuProfiler, heapDump, heapProfiler, peakHeapDump } from "./profilers.ts";
import { ready } from "./ready.ts";
import {
  clearRecentLookups,
  disableRecentLookups,
  enableRecentLookups,
  recentLookups,
} from "./stats/recent-lookups.ts";
import { runtime, runtimeModify } from "./runtime.ts";
import { serverInfo } from "./server-info.ts";
import { stats, statsForPrometheus } from "./stats/stats.ts";

/** All endpoints, sorted by path. */
export const ENDPOINTS: readonly AdminEndpoint[] = [
  allocProfiler,
  certs,
  clearRecentLookups,
  clusters,
  configDump,
  contention,
  cpuProfiler,
  disableRecentLookups,
  drainListeners,
  enableRecentLookups,
  healthcheckFail,
  healthcheckOk,
  heapDump,
  heapProfiler,
  help,
  home,
  hotRestartVersion,
  initDump,
  listeners,
  logging,
  memory,
  memoryTcmalloc,
  peakHeapDump,
  quitQuitQuit,
  ready,
  recentLookups,
  reopenLogs,
  resetCounters,
  runtime,
  runtimeModify,
  serverInfo,
  stats,
  statsForPrometheus,
].sort((a, b) => (a.path < b.path ? -1 : 1));
