import type { Extensions } from "../proxy/api.ts";
import { headerMutation } from "./http/header-mutation.ts";
import { lbPolicies } from "./lb/index.ts";
import { fileAccessLog } from "./access-log/file-access-log.ts";
import { httpGrpcAccessLog } from "./access-log/http-grpc-access-log.ts";
import { tcpGrpcAccessLog } from "./access-log/tcp-grpc-access-log.ts";
import { stderrAccessLog, stdoutAccessLog } from "./access-log/standard-access-logs.ts";
import { bufferFilter } from "./http/buffer.ts";
import { basicAuth } from "./http/basic-auth.ts";
import { cors } from "./http/cors.ts";
import { csrf } from "./http/csrf.ts";
import { fault } from "./http/fault.ts";
import { grpcHttp1Bridge } from "./http/grpc-http1-bridge.ts";
import { grpcStats } from "./http/grpc-stats.ts";
import { grpcWeb } from "./http/grpc-web.ts";
import { healthCheck } from "./http/health-check.ts";
import { localRatelimit } from "./http/local-ratelimit.ts";
import { rbac } from "./http/rbac.ts";
import { extAuthz } from "./http/ext-authz.ts";
import { listenerFilters } from "./listener/index.ts";
import { networkFilters } from "./network/index.ts";
import { transportSockets } from "./transport-socket/index.ts";
import { operators } from "./operator/index.ts";

/** What Weft's proxy ships with. */
export const extensions: Extensions = {
  http: [
    basicAuth,
    bufferFilter,
    cors,
    csrf,
    extAuthz,
    fault,
    grpcHttp1Bridge,
    grpcStats,
    grpcWeb,
    headerMutation,
    healthCheck,
    localRatelimit,
    rbac,
  ],
  network: networkFilters,
  lb: lbPolicies,
  accessLog: [fileAccessLog, httpGrpcAccessLog, tcpGrpcAccessLog, stdoutAccessLog, stderrAccessLog],
  operators,
  listenerFilters,
  transportSockets,
};
