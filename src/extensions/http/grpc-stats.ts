import { isGrpcContentType } from "../../grpc/content-type.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { HttpFilter, HttpFilterDef, Verdict } from "../../proxy/api.ts";
import type { StatScope } from "../../stats/stat-store.ts";
import { FrameCounter } from "./grpc/frame-counter.ts";
import { countGrpcStatus, grpcMethod, routeClusterStats } from "./grpc/method-stats.ts";

type Config = Messages["envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"];

const CONTENT_TYPE = knownHeaderId("content-type");

/** envoy.filters.http.grpc_stats: counts gRPC calls and their messages, by method where the configuration names it. */
export const grpcStats: HttpFilterDef<"envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"> = {
  name: "envoy.filters.http.grpc_stats",
  config: "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
  ledger: {
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig": [
      "individual_method_stats_allowlist",
      "stats_for_all_methods",
      "replace_dots_in_grpc_service_name",
    ],
    "envoy.config.core.v3.GrpcMethodList": "all",
    "envoy.config.core.v3.GrpcMethodList.Service": "all",
  },
  create: (config, { clusters }) => {
    const named = namesMethod(config);
    const dots = config.replaceDotsInGrpcServiceName;
    return (stream) => {
      const headers = stream.requestHeaders;
      if (!isGrpcContentType(headers.getId(CONTENT_TYPE))) return undefined;
      const called = grpcMethod(headers.path);
      const scope = called && routeClusterStats(stream, clusters);
      if (called === undefined || scope === undefined) return undefined;
      const service = dots ? called.service.replaceAll(".", "_") : called.service;
      const byMethod = named(called.service, called.method);
      return new GrpcStatsFilter(scope, byMethod ? `grpc.${service}.${called.method}.` : "grpc.");
    };
  },
};

class GrpcStatsFilter implements HttpFilter {
  readonly #scope: StatScope;
  readonly #prefix: string;
  readonly #requests = new FrameCounter();
  readonly #responses = new FrameCounter();
  #isGrpc = false;

  constructor(scope: StatScope, prefix: string) {
    this.#scope = scope;
    this.#prefix = prefix;
  }

  onRequestData(chunk: Buffer): Verdict {
    this.#count("request_message_count", this.#requests.push(chunk));
    return "continue";
  }

  onResponseHeaders(headers: HeaderMap, end: boolean): Verdict {
    this.#isGrpc = isGrpcContentType(headers.getId(CONTENT_TYPE));
    if (end) countGrpcStatus(this.#scope, this.#prefix, headers);
    return "continue";
  }

  onResponseData(chunk: Buffer): Verdict {
    if (this.#isGrpc) this.#count("response_message_count", this.#responses.push(chunk));
    return "continue";
  }

  onResponseTrailers(trailers: HeaderMap): Verdict {
    countGrpcStatus(this.#scope, this.#prefix, trailers);
    return "continue";
  }

  #count(name: string, messages: number): void {
    if (messages > 0) this.#scope.counter(this.#prefix + name).add(messages);
  }
}

/** Which methods have stats of their own. */
function namesMethod({
  perMethodStatSpecifier: specifier,
}: Config): (service: string, method: string) => boolean {
  if (specifier.case === "statsForAllMethods") {
    const { value } = specifier.value;
    return () => value;
  }
  if (specifier.case !== "individualMethodStatsAllowlist") return () => false;
  const methods = new Map(
    specifier.value.services.map(({ name, methodNames }) => [name, new Set(methodNames)]),
  );
  return (service, method) => methods.get(service)?.has(method) === true;
}
