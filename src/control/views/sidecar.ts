import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { matchesGlob } from "../policy/name-glob.ts";
import { settingsFor } from "../policy/settings-for.ts";
import type { SidecarSettings } from "../policy/view-settings.ts";
import type { Resource } from "../xds/resource.ts";
import { addressCluster } from "./address-cluster.ts";
import { httpListener } from "./http-listener.ts";
import { loadAssignment } from "./load-assignment.ts";
import { policyTraits } from "./policy-traits.ts";
import { clusterName, mayCall, type Scope } from "./scope.ts";
import { serviceResources } from "./service-resources.ts";
import { serviceRoutes } from "./service-routes.ts";
import { tcpListener } from "./tcp-listener.ts";
import type { Emit, NodeIdentity } from "./view.ts";
import type { ViewKind } from "./view-kind.ts";
import { virtualHosts } from "./virtual-hosts.ts";

const LOCAL_CLUSTER = "local_app";
const LISTENER = "envoy.config.listener.v3.Listener";

/**
 * Proxies beside a service. Their node metadata says `weft: { service, inbound, outbound, app }`: where others reach
 * the service, where the application reaches others, and where the application itself listens. `tcp: { NAME: IP:PORT }`
 * says where it reaches services that speak tcp, when that is not the service's port at the address of `outbound`.
 */
export function sidecarKind(settingsOf: (policy: MeshPolicy) => SidecarSettings): ViewKind {
  return {
    shared(scope, { caller }) {
      const settings = settingsOf(scope.policy);
      const visible = scope
        .servicesFor(caller)
        .filter((service) => settings.services.some((pattern) => matchesGlob(pattern, service)));
      const routes = outboundRoutes(scope, visible, settings);
      for (const service of visible) tcpClusters(scope, service);
      return [
        ...serviceResources(scope, visible),
        ...(policyTraits(scope.policy).zoneAware
          ? visible.map((service) => localAssignment(scope, service))
          : []),
        scope.emit("envoy.config.route.v3.RouteConfiguration", "outbound", routes),
      ];
    },
    own(node, policy, emit) {
      const settings = settingsOf(policy);
      const service = ask(node, "service");
      const { protocol } = settingsFor(policy, service, []);
      const inboundAddress = ask(node, "inbound");
      const inbound =
        protocol === "tcp"
          ? tcpListener("inbound", inboundAddress, policy, [{ name: LOCAL_CLUSTER, weight: 1 }])
          : httpListener("inbound", inboundAddress, policy, {
              useRemoteAddress: false,
              routes: inboundRoutes(service),
            });
      const outbound = httpListener("outbound", ask(node, "outbound"), policy, {
        useRemoteAddress: false,
        routes: "outbound",
        patches: settings.envoy,
      });
      const app = addressCluster(LOCAL_CLUSTER, ask(node, "app"), policy.connect_timeout_ms);
      return [
        emit("envoy.config.cluster.v3.Cluster", LOCAL_CLUSTER, app),
        emit(LISTENER, "inbound", inbound),
        emit(LISTENER, "outbound", outbound),
        ...tcpListeners(node, policy, settings, emit),
      ];
    },
  };
}

/**
 * The instances of a service once more, for the cluster that its own sidecars compare zones with. Under the name of the
 * service they would not be sent again for its cluster, which would wait for them in vain.
 */
function localAssignment(scope: Scope, service: string): Resource {
  const name = `weft_local/${service}`;
  const assignment = loadAssignment(
    name,
    service,
    "",
    scope.endpoints(service),
    scope,
    scope.settings(service),
  );
  return scope.emit("envoy.config.endpoint.v3.ClusterLoadAssignment", name, assignment);
}

function inboundRoutes(service: string): JsonValue {
  return {
    name: "inbound",
    virtual_hosts: [
      {
        name: service,
        domains: ["*"],
        // The caller's proxy bounds the time; a second, shorter bound here would only hide which one fired.
        routes: [{ name: "app", match: { prefix: "/" }, route: { cluster: LOCAL_CLUSTER, timeout: "0s" } }],
      },
    ],
  };
}

/** Every service by the header that names it: its virtual host for `host`, a header match for any other. */
function outboundRoutes(scope: Scope, visible: readonly string[], settings: SidecarSettings): JsonValue {
  const header = settings.target_header;
  const services = visible.filter((service) => scope.settings(service).protocol !== "tcp");
  if (header === "host") {
    const hosts = virtualHosts(scope, services, settings.suffixes, settings.timeout_ms);
    return { name: "outbound", virtual_hosts: hosts };
  }
  const routes = services.flatMap((service) => {
    const entry = { headers: { [header]: { exact: service } } };
    return serviceRoutes(scope, service, entry, settings.timeout_ms);
  });
  return { name: "outbound", virtual_hosts: [{ name: "outbound", domains: ["*"], routes }] };
}

/** The clusters that the listeners of a tcp service lead to. */
function tcpClusters(scope: Scope, service: string): { name: string; weight: number }[] {
  const { protocol, split } = scope.settings(service);
  if (protocol !== "tcp") return [];
  return tcpShares(service, split).map(([version, weight]) => ({
    name: scope.cluster(service, version),
    weight,
  }));
}

function tcpShares(service: string, split: Readonly<Record<string, number>> | undefined): [string, number][] {
  return split === undefined ? [["", 1]] : Object.entries(split).filter(([, weight]) => weight > 0);
}

/** One listener for each service that the policy says speaks tcp and on which port. */
function tcpListeners(
  node: NodeIdentity,
  policy: MeshPolicy,
  settings: SidecarSettings,
  emit: Emit,
): Resource[] {
  const outbound = ask(node, "outbound");
  const host = outbound.slice(0, outbound.lastIndexOf(":"));
  const places = node.weft["tcp"] as Record<string, unknown> | undefined;
  return Object.keys(policy.services).flatMap((service) => {
    const own = settingsFor(policy, service, []);
    const seen =
      mayCall(ask(node, "service"), service, own) && settings.services.some((p) => matchesGlob(p, service));
    const place = places?.[service];
    const address =
      typeof place === "string" ? place : own.port === undefined ? undefined : `${host}:${own.port}`;
    if (own.protocol !== "tcp" || address === undefined || !seen) return [];
    const clusters = tcpShares(service, own.split).map(([version, weight]) => ({
      name: clusterName(service, version),
      weight,
    }));
    const name = `tcp_${service}`;
    return [emit(LISTENER, name, tcpListener(name, address, policy, clusters))];
  });
}

function ask(node: NodeIdentity, key: string): string {
  const value = node.weft[key];
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`node "${node.id}" wants the sidecar view but its metadata has no weft.${key}`);
}
