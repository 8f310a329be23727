import { contention } from "./contention.ts";
import type { AdminEndpoint } from "./endpoint.ts";
import { healthcheckFail, healthcheckOk } from "./healthcheck.ts";
import { help } from "./help.ts";
import { hotRestartVersion } from "./hot-restart-version.ts";
import { drainListeners, quitQuitQuit, reopenLogs, resetCounters } from "./lifecycle.ts";
import { listeners } from "./listeners.ts";
import { logging } from "./logging.ts";
import { memory } from "./memory.ts";
import { ready } from "./ready.ts";
import { runtime, runtimeModify } from "./runtime.ts";

/** All endpoints, sorted by path. */
export const ENDPOINTS: readonly AdminEndpoint[] = [
  contention,
  drainListeners,
  healthcheckFail,
  healthcheckOk,
  help,
  hotRestartVersion,
  listeners,
  logging,
  memory,
  quitQuitQuit,
  ready,
  reopenLogs,
  resetCounters,
  runtime,
  runtimeModify,
].sort((a, b) => (a.path < b.path ? -1 : 1));
