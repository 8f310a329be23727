import type { Messages } from "../../../proto/messages.d.ts";
import type { Cluster, HttpFilterContext } from "../../../proxy/api.ts";
import { anyOf } from "../../../proxy/matcher/string-matcher.ts";
import type { AuthService, ContextExtensions, HeaderEdit } from "./auth-service.ts";
import { CheckRequests } from "./check-request.ts";
import { GrpcAuthService } from "./grpc-service.ts";
import { HttpAuthService } from "./http-service.ts";
import { MutationRules } from "./mutation-rules.ts";
import { ExtAuthzStats, type Outcome } from "./stats.ts";

type ExtAuthz = Messages["envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"];
export type BodySettings = Messages["envoy.extensions.filters.http.ext_authz.v3.BufferSettings"];

/** What a route says about the filter. */
export interface RouteSettings {
  readonly disabled: boolean;
  readonly noBody?: boolean;
  readonly body?: BodySettings | undefined;
  /** Made with the filter's own settings, for it tells a service what the filter is to tell. */
  readonly service?: GrpcOrHttp | undefined;
  readonly contextExtensions?: ContextExtensions;
}

type GrpcOrHttp = Exclude<ExtAuthz["services"], { case: undefined }>;

const DENOMINATORS = [100, 10_000, 1_000_000] as const;

/** The filter's configuration, ready for use per request. */
export class ExtAuthzConfig {
  readonly context: HttpFilterContext;
  readonly service: AuthService;
  readonly body: BodySettings | undefined;
  readonly failureModeAllow: boolean;
  readonly failureModeAllowHeader: boolean;
  readonly validates: boolean;
  readonly rules: MutationRules | undefined;
  /** Bytes; 0 = no limit. */
  readonly maxDeniedBody: number;
  readonly statusOnError: number;
  readonly #config: ExtAuthz;
  readonly #stats: ExtAuthzStats;
  readonly #clusterStats = new WeakMap<Cluster, ExtAuthzStats>();
  readonly #prefix: string;
  readonly #requests: CheckRequests;
  readonly #routeServices = new WeakMap<GrpcOrHttp, AuthService>();

  /** Refuses what is not supported by name. */
  constructor(config: ExtAuthz, context: HttpFilterContext) {
    if (config.services.case === undefined)
      throw new Error("ExtAuthz: one of grpc_service and http_service must be set");
    if (config.withRequestBody !== undefined && config.withRequestBody.maxRequestBytes === 0)
      throw new Error("ExtAuthz: with_request_body.max_request_bytes must be greater than 0");
    this.#config = config;
    this.context = context;
    this.#requests = new CheckRequests({
      sends: sentHeaders(config),
      encodeRawHeaders: config.encodeRawHeaders,
      includePeerCertificate: config.includePeerCertificate,
      includeTlsSession: config.includeTlsSession,
      metadataNamespaces: config.metadataContextNamespaces,
      routeMetadataNamespaces: config.routeMetadataContextNamespaces,
      typedRouteMetadataNamespaces: config.routeTypedMetadataContextNamespaces,
      random: () => context.random(),
    });
    this.service = this.#service(config.services, config);
    this.body = config.withRequestBody;
    this.failureModeAllow = config.failureModeAllow;
    this.failureModeAllowHeader = config.failureModeAllow && config.failureModeAllowHeaderAdd;
    this.validates = config.validateMutations;
    const rules = config.decoderHeaderMutationRules;
    this.rules = rules === undefined ? undefined : new MutationRules(rules);
    this.maxDeniedBody = config.maxDeniedResponseBodyBytes;
    this.statusOnError = (config.statusOnError?.code as number | undefined) || 403;
    this.#prefix = config.statPrefix === "" ? "ext_authz." : `ext_authz.${config.statPrefix}.`;
    this.#stats = new ExtAuthzStats(context.scope.scope(this.#prefix));
  }

  /** The service of a route that has one of its own. */
  serviceOf(settings: GrpcOrHttp): AuthService {
    let service = this.#routeServices.get(settings);
    if (service === undefined)
      this.#routeServices.set(settings, (service = this.#service(settings, undefined)));
    return service;
  }

  /** Whether changes to these headers make the route be found anew. */
  clearsRoute(edits: readonly HeaderEdit[], removed: readonly string[]): boolean {
    const { clearRouteCache, clearRouteCacheHeaders: names } = this.#config;
    if (!clearRouteCache || names.length === 0) return clearRouteCache;
    const changed = [...edits.map(({ name }) => name), ...removed];
    return names.some((name) => changed.includes(name.toLowerCase()));
  }

  /** Whether the filter applies to this request at all. */
  enabled(): boolean {
    const enabled = this.#config.filterEnabled;
    if (enabled === undefined) return true;
    const percent = enabled.defaultValue;
    const denominator = DENOMINATORS[percent?.denominator ?? 0]!;
    return this.context.runtime.fraction(enabled.runtimeKey, percent?.numerator ?? 0, denominator);
  }

  /** Whether requests that the filter does not apply to are refused. */
  denyAtDisable(): boolean {
    const flag = this.#config.denyAtDisable;
    if (flag === undefined) return false;
    return this.context.runtime.number(flag.runtimeKey, flag.defaultValue === true ? 1 : 0) !== 0;
  }

  /** Counts an outcome for the connection manager and for the cluster of the request's route. */
  count(outcome: Outcome, clusterName: string): void {
    this.#stats.count(outcome);
    if (outcome === "disabled" || clusterName === "") return;
    const cluster = this.context.clusters.get(clusterName);
    if (cluster === undefined) return;
    let stats = this.#clusterStats.get(cluster);
    if (stats === undefined) {
      stats = new ExtAuthzStats(cluster.stats.scope(this.#prefix), true);
      this.#clusterStats.set(cluster, stats);
    }
    stats.count(outcome);
  }

  /** Counts a refusal as a response of the cluster that the request was meant for, as Envoy does. */
  chargeCluster(clusterName: string, status: number, internal: boolean): void {
    if (this.#config.chargeClusterResponseStats === false || clusterName === "") return;
    const stats = this.context.clusters.get(clusterName)?.stats;
    if (stats === undefined) return;
    const origin = internal ? "internal." : "external.";
    for (const name of ["completed", `${Math.trunc(status / 100)}xx`, String(status)]) {
      stats.counter("upstream_rq_" + name).inc();
      stats.counter(origin + "upstream_rq_" + name).inc();
    }
  }

  #service(services: GrpcOrHttp, config: ExtAuthz | undefined): AuthService {
    if (services.case === "grpcService")
      return new GrpcAuthService(services.value, this.#requests, this.context);
    return new HttpAuthService(
      services.value,
      config?.allowedHeaders,
      config?.disallowedHeaders,
      this.context,
    );
  }
}

/** Which headers gRPC services are told of; undefined = all. */
function sentHeaders({
  allowedHeaders,
  disallowedHeaders,
}: ExtAuthz): ((name: string) => boolean) | undefined {
  const allows = anyOf(allowedHeaders);
  const disallows = anyOf(disallowedHeaders);
  if (allows === undefined && disallows === undefined) return undefined;
  return (name) => (allows?.(name) ?? true) && !(disallows?.(name) ?? false);
}
