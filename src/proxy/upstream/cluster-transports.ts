import type { Messages } from "../../proto/messages.d.ts";
import type { CertificateReport, ClientTransport, ClientTransportContext, Extensions, Host } from "../api.ts";
import { findTransportSocket } from "../transport-sockets.ts";
import { alpnNames, upstreamProtocols } from "./upstream-protocols.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type TransportSocket = Messages["envoy.config.core.v3.TransportSocket"];
type Json = Messages["envoy.config.core.v3.Metadata"]["filterMetadata"][string];

/** Key of the endpoint metadata that transport_socket_matches look at. */
const MATCH_KEY = "envoy.transport_socket_match";

interface Match {
  readonly criteria: readonly (readonly [key: string, value: unknown])[];
  readonly transport: ClientTransport | undefined;
}

/** How connections to the hosts of a cluster are secured. */
export class ClusterTransports {
  readonly #matches: readonly Match[];
  readonly #default: ClientTransport | undefined;

  /** Throws an Error when a transport socket cannot be used. */
  constructor(
    cluster: ClusterMessage,
    extensions: Pick<Extensions, "transportSockets">,
    context: Omit<ClientTransportContext, "protocols">,
  ) {
    const { choice } = upstreamProtocols(cluster);
    const protocols = alpnNames(choice);
    const create = (config: TransportSocket | undefined): ClientTransport | undefined => {
      const found = findTransportSocket(config, extensions, "createClient");
      return found?.def.createClient?.(found.message as never, { ...context, protocols });
    };
    this.#default = create(cluster.transportSocket);
    this.#matches = cluster.transportSocketMatches.map(({ match, transportSocket }) => ({
      criteria: Object.entries(match ?? {}),
      transport: create(transportSocket),
    }));
    const plaintext = [this.#default, ...this.#matches.map(({ transport }) => transport)].includes(undefined);
    if (choice === "alpn" && plaintext)
      throw new Error(`ALPN configured for cluster ${cluster.name} which has a non-ALPN transport socket`);
  }

  /** Whether a host's metadata decide. */
  get byMetadata(): boolean {
    return this.#matches.length > 0;
  }

  /** The first match whose criteria the host's metadata meet; undefined = plaintext. */
  forHost(host: Host): ClientTransport | undefined {
    if (this.#matches.length === 0) return this.#default;
    const metadata: Json | undefined = host.metadata?.filterMetadata[MATCH_KEY];
    const found = this.#matches.find(({ criteria }) =>
      criteria.every(([key, value]) => same((metadata as Record<string, unknown> | undefined)?.[key], value)),
    );
    return found === undefined ? this.#default : found.transport;
  }

  /** Whether connections to some hosts tell of the client. */
  get perClient(): boolean {
    return this.#all().some((transport) => transport.perClient === true);
  }

  certificates(): CertificateReport[] {
    return this.#all().map((transport) => transport.certificates());
  }

  close(): void {
    for (const transport of this.#all()) transport.close();
  }

  #all(): ClientTransport[] {
    return [this.#default, ...this.#matches.map(({ transport }) => transport)].filter(
      (transport) => transport !== undefined,
    );
  }
}

function same(a: unknown, b: unknown): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
