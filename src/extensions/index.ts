import type { Extensions } from "../proxy/api.ts";
import { headerMutation } from "./http/header-mutation.ts";
import { lbPolicies } from "./lb/index.ts";
import { fileAccessLog } from "./access-log/file-access-log.ts";
import { stderrAccessLog, stdoutAccessLog } from "./access-log/standard-access-logs.ts";
import { bufferFilter } from "./http/buffer.ts";
import { extAuthz } from "./http/ext-authz.ts";
import { tlsInspector } from "./listener/tls-inspector.ts";
import { transportSockets } from "./transport-socket/index.ts";
import { operators } from "./operator/index.ts";

/** What Weft's proxy ships with. */
export const extensions: Extensions = {
  http: [bufferFilter, extAuthz, headerMutation],
  network: [],
  lb: lbPolicies,
  accessLog: [fileAccessLog, stdoutAccessLog, stderrAccessLog],
  operators,
  listenerFilters: [tlsInspector],
  transportSockets,
};
