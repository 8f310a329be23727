import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { AsyncClient, Clusters, OperatorDef } from "../../api.ts";
import { GrpcProbe } from "./grpc-probe.ts";
import { HttpProbe } from "./http-probe.ts";
import type { Probe } from "./probe.ts";
import { TcpProbe } from "./tcp-probe.ts";

export interface ProbeContext {
  /** Name of the cluster that is checked. */
  readonly cluster: string;
  readonly clusters: Clusters;
  readonly calls: AsyncClient;
  readonly operators: readonly OperatorDef[];
}

/** The way in which a health check asks. Throws an Error when it cannot be done as it is configured. */
export function createProbe(
  { healthChecker: how, timeout }: Messages["envoy.config.core.v3.HealthCheck"],
  { cluster, clusters, calls, operators }: ProbeContext,
): Probe {
  switch (how.case) {
    case "httpHealthCheck":
      return new HttpProbe(how.value, cluster, calls, operators);
    case "grpcHealthCheck":
      return new GrpcProbe(how.value, cluster, calls, durationMs(timeout, 0));
    case "tcpHealthCheck":
      return new TcpProbe(how.value, clusters);
    default:
      throw new Error("a health check must be one of http_health_check, tcp_health_check, grpc_health_check");
  }
}
