import type { MessageOf } from "../../proto/registry.ts";
import { unpackAny } from "../../proto/registry.ts";

export type SdsConfig = MessageOf<"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig">;
type Cluster = MessageOf<"envoy.config.cluster.v3.Cluster">;
type Listener = MessageOf<"envoy.config.listener.v3.Listener">;
type TransportSocket = MessageOf<"envoy.config.core.v3.TransportSocket">;

const SDS_CONFIG = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig";
const ANY = "google.protobuf.Any";

/** The secrets that a cluster's connections need. */
export function sdsConfigsOfCluster({ transportSocket, transportSocketMatches }: Cluster): SdsConfig[] {
  return collect([transportSocket, ...transportSocketMatches.map((match) => match.transportSocket)]);
}

/** The secrets that a listener's connections need. */
export function sdsConfigsOfListener({ filterChains, defaultFilterChain }: Listener): SdsConfig[] {
  return collect([
    ...filterChains.map((chain) => chain.transportSocket),
    defaultFilterChain?.transportSocket,
  ]);
}

function collect(sockets: readonly (TransportSocket | undefined)[]): SdsConfig[] {
  const found: SdsConfig[] = [];
  for (const socket of sockets) walk(socket, found);
  return found;
}

/** Transport sockets may hold others, so all of what they say is looked through. */
function walk(value: unknown, found: SdsConfig[]): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  const name = (value as { readonly $typeName?: string }).$typeName;
  if (name === SDS_CONFIG) found.push(value as SdsConfig);
  else if (name === ANY) walk(unpackAny(value as MessageOf<typeof ANY>)?.message, found);
  else for (const part of Object.values(value)) walk(part, found);
}
