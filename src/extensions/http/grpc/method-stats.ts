import type { HeaderMap } from "../../../http/header-map.ts";
import { knownHeaderId } from "../../../http/header-name.ts";
import type { Clusters, FilterStream } from "../../../proxy/api.ts";
import type { StatScope } from "../../../stats/stat-store.ts";

const GRPC_STATUS = knownHeaderId("grpc-status");

/** "/pkg.Service/Method" in its parts; undefined for other paths. */
export function grpcMethod(path: string): { readonly service: string; readonly method: string } | undefined {
  const query = path.indexOf("?");
  const [root, service, method, more] = (query < 0 ? path : path.slice(0, query)).split("/");
  if (root !== "" || !service || !method || more !== undefined) return undefined;
  return { service, method };
}

/** Stats of the cluster that a request's route leads to; undefined if it leads to none. */
export function routeClusterStats({ route }: FilterStream, clusters: Clusters): StatScope | undefined {
  const name = route?.clusterName ?? "";
  return name === "" ? undefined : clusters.get(name)?.stats;
}

/** Counts how a call ended, if the headers or trailers say it. @param prefix "grpc.pkg.Service.Method." */
export function countGrpcStatus(scope: StatScope, prefix: string, head: HeaderMap): void {
  if (!head.hasId(GRPC_STATUS)) return;
  const status = head.getId(GRPC_STATUS)!;
  if (!/^\d{1,9}$/.test(status)) return;
  scope.counter(`${prefix}${status}`).inc();
  scope.counter(`${prefix}${status === "0" ? "success" : "failure"}`).inc();
  scope.counter(`${prefix}total`).inc();
}
