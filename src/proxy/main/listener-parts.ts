// What the main thread must know of a listener: where it listens and which routes it wants.
import type { Path } from "../../proto/path.ts";
import { configTypeName, unpackAs, type MessageOf } from "../../proto/registry.ts";
import { within } from "../../proto/within.ts";

export type ListenerMessage = MessageOf<"envoy.config.listener.v3.Listener">;
type HttpConnectionManager =
  MessageOf<"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager">;
type RouteConfiguration = MessageOf<"envoy.config.route.v3.RouteConfiguration">;
type Address = MessageOf<"envoy.config.core.v3.Address">;

const HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/** An address to listen on, port not resolved yet. */
export interface ListenAddress {
  readonly ip: string;
  readonly port: number;
  /** "" for IP addresses. */
  readonly path: string;
  readonly ipv6Only: boolean;
}

/** HTTP connection managers of all filter chains. */
export function connectionManagers(listener: ListenerMessage): HttpConnectionManager[] {
  return locatedManagers(listener).map(({ hcm }) => hcm);
}

/** Route configurations that are written inside of the listener. */
export function inlineRoutes(listener: ListenerMessage): RouteConfiguration[] {
  return connectionManagers(listener).flatMap(({ routeSpecifier }) =>
    routeSpecifier.case === "routeConfig" ? [routeSpecifier.value] : [],
  );
}

/** Checks them; an Error knows where in the listener it happened. */
export function checkInlineRoutes(
  listener: ListenerMessage,
  check: (routes: RouteConfiguration) => void,
): void {
  for (const { hcm, path } of locatedManagers(listener)) {
    const { routeSpecifier } = hcm;
    if (routeSpecifier.case === "routeConfig")
      within([...path, "route_config"], () => check(routeSpecifier.value));
  }
}

function locatedManagers(listener: ListenerMessage): { hcm: HttpConnectionManager; path: Path }[] {
  const chains = listener.filterChains.map((chain, i) => ({ chain, path: ["filter_chains", i] as Path }));
  if (listener.defaultFilterChain !== undefined)
    chains.push({ chain: listener.defaultFilterChain, path: ["default_filter_chain"] });
  return chains.flatMap(({ chain, path }) =>
    chain.filters.flatMap(({ configType }, i) =>
      configType.case === "typedConfig" && configTypeName(configType.value) === HCM
        ? [{ hcm: unpackAs(configType.value, HCM), path: [...path, "filters", i, "typed_config"] }]
        : [],
    ),
  );
}

/** Addresses in the order of address and additional_addresses. Throws an Error with Envoy's text. */
export function listenAddresses(listener: ListenerMessage): ListenAddress[] {
  if (listener.address === undefined)
    throw new Error(`error adding listener named '${listener.name}': address is necessary`);
  const all = [
    listener.address,
    ...listener.additionalAddresses.flatMap(({ address }) => (address ? [address] : [])),
  ];
  return all.map(addressOf);
}

/** How Envoy prints the address: "127.0.0.1:80", "[::1]:80", a path. */
export function formatAddress(address: {
  readonly ip: string;
  readonly port: number;
  readonly path: string;
}): string {
  if (address.path !== "") return address.path;
  return address.ip.includes(":") ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** The part of stat names: stat_prefix, or the address with "_" for its colons. */
export function statAddress(
  listener: ListenerMessage,
  bind: { ip: string; port: number; path: string },
): string {
  if (listener.statPrefix !== "") return listener.statPrefix.replaceAll(":", "_");
  return formatAddress(bind).replaceAll(":", "_");
}

function addressOf({ address }: Address): ListenAddress {
  if (address.case === "pipe") return { ip: "", port: 0, path: address.value.path, ipv6Only: false };
  if (address.case !== "socketAddress")
    throw new Error("a listener's address must be a socket_address or a pipe");
  const { address: ip, portSpecifier: port, ipv4Compat } = address.value;
  if (port.case === "namedPort") throw new Error("named_port is not supported in a listener's address");
  return { ip, port: port.value ?? 0, path: "", ipv6Only: !ipv4Compat };
}
