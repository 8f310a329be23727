import { durationMs } from "../../proto/duration.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Extensions, FactoryContext } from "../api.ts";
import { clusterSettings } from "./cluster-settings.ts";
import { clusterStatPrefix } from "./cluster-stats.ts";
import { ClusterTransports } from "./cluster-transports.ts";
import { dnsOptions } from "./hosts/dns-config.ts";
import { createProbe } from "./health/create-probe.ts";
import { discoveryType } from "./hosts/endpoint-source.ts";
import { chooseLbPolicy } from "./balancing/lb-policy.ts";
import { addressProblem, checkAssignment, placedEndpoints } from "./hosts/load-assignment.ts";
import { HTTP_PROTOCOL_OPTIONS, protocolOptions } from "./upstream-protocols.ts";

/** envoy.config.cluster.v3.Cluster.LbPolicy */
const CLUSTER_PROVIDED = 6;
const LB_POLICIES = ["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "", "MAGLEV"];

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];

/**
 * Throws an Error, with Envoy's text where Envoy refuses too, if a worker or the host resolver would not take the
 * cluster. Rules of single fields are checked when configuration is loaded, not here.
 */
export function checkCluster(cluster: ClusterMessage, extensions: Extensions, context: FactoryContext): void {
  checkEndpoints(cluster);
  checkDns(cluster);
  if (cluster.lbSubsetConfig !== undefined && (cluster.lbPolicy as number) === CLUSTER_PROVIDED)
    throw new Error("cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config");
  checkProtocolOptions(cluster);
  const settings = clusterSettings(cluster);
  const scope = context.stats.scope(clusterStatPrefix(settings.observabilityName));
  new ClusterTransports(cluster, extensions, { ...context, scope }).close();
  chooseLbPolicy(cluster, extensions.lb).create(context);
  for (const config of cluster.healthChecks) {
    if (config.healthChecker.case === "grpcHealthCheck" && settings.connection.protocol === "http1")
      throw new Error(`${cluster.name} cluster must support HTTP/2 for gRPC healthchecking`);
    createProbe(config, { ...context, cluster: cluster.name, operators: extensions.operators });
  }
}

function checkEndpoints(cluster: ClusterMessage): void {
  const type = discoveryType(cluster);
  const { name, loadAssignment } = cluster;
  if (type === "") throw new Error(`cluster '${name}': cluster_type is not supported`);
  if (type === "ORIGINAL_DST") checkOriginalDst(cluster);
  if (type === "EDS" && cluster.edsClusterConfig?.edsConfig === undefined)
    throw new Error("cannot create an EDS cluster without an EDS config");
  if (type !== "EDS" && cluster.edsClusterConfig !== undefined)
    throw new Error("eds_cluster_config set in a non-EDS cluster");
  const hashing = cluster.commonLbConfig?.consistentHashingLbConfig;
  if (hashing?.useHostnameForHashing === true && type !== "STRICT_DNS")
    throw new Error(
      `Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.${type.toLowerCase()}'`,
    );
  if (loadAssignment !== undefined) checkAssignment(loadAssignment);
  if (type === "LOGICAL_DNS") {
    const localities = loadAssignment?.endpoints ?? [];
    if (localities.length !== 1 || localities[0]!.lbEndpoints.length !== 1)
      throw new Error(
        "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint",
      );
  }
  if (loadAssignment === undefined || type === "EDS") return;
  const refuse = (reason: string): never => {
    throw new Error(
      type === "STATIC"
        ? `${reason}. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'`
        : `cluster '${name}': ${reason}`,
    );
  };
  for (const placed of placedEndpoints(loadAssignment, refuse)) {
    const reason = type === "STATIC" ? addressProblem(placed) : undefined;
    if (reason !== undefined) refuse(reason);
    if (type !== "STATIC" && placed.place.path !== undefined)
      refuse(`an endpoint of a ${type} cluster cannot be a pipe`);
  }
}

function checkOriginalDst({ lbPolicy, loadAssignment }: ClusterMessage): void {
  if ((lbPolicy as number) !== CLUSTER_PROVIDED) {
    const name = LB_POLICIES[lbPolicy as number] ?? String(lbPolicy);
    throw new Error(
      `cluster: LB policy ${name} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'`,
    );
  }
  if (loadAssignment !== undefined)
    throw new Error("ORIGINAL_DST clusters must have no load assignment configured");
}

function checkDns(cluster: ClusterMessage): void {
  if (cluster.typedDnsResolverConfig !== undefined) dnsOptions(cluster.typedDnsResolverConfig);
  const rate = cluster.dnsFailureRefreshRate;
  const base = durationMs(rate?.baseInterval, undefined);
  const most = durationMs(rate?.maxInterval, undefined);
  if (base !== undefined && most !== undefined && most < base)
    throw new Error(
      "dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval",
    );
}

function checkProtocolOptions(cluster: ClusterMessage): void {
  for (const name of Object.keys(cluster.typedExtensionProtocolOptions)) {
    if (name === HTTP_PROTOCOL_OPTIONS) continue;
    throw new Error(
      `Didn't find a registered network or http filter or protocol options implementation for name: '${name}'`,
    );
  }
  const options = protocolOptions(cluster);
  if (options !== undefined && options.upstreamProtocolOptions.case === undefined)
    throw new Error(
      'Proto constraint validation failed (field: "upstream_protocol_options", reason: is required)',
    );
  const common = options?.commonHttpProtocolOptions ?? cluster.commonHttpProtocolOptions;
  // Connection managers support this field of the same message, so that the ledger cannot report it.
  if (common !== undefined && (common.headersWithUnderscoresAction as number) !== 0)
    throw new Error(
      `cluster '${cluster.name}': headers_with_underscores_action is not supported for upstreams`,
    );
}
