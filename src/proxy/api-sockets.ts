// The part of the contracts that is about sockets: what looks at a connection before its filter chain is chosen, and
// how bytes travel on it. Extensions see it through api.ts.
import type { NetConnectOpts, Socket } from "node:net";
import type { Connection, ConnectionHandler } from "../net/connection.ts";
import type { NetContext } from "../net/net-context.ts";
import type { ProxyTlv } from "../net/proxy-protocol/proxy-header.ts";
import type { TlsInfo } from "../net/tls/tls-info.ts";
import type { Ledger } from "../proto/ledger.ts";
import type { Messages } from "../proto/messages.d.ts";
import type { StatScope } from "../stats/stat-store.ts";
import type { FactoryContext } from "./api.ts";
import type { ConnectionInfo } from "./stream-info.ts";

type MessageName = keyof Messages;

// ---- Listener filters ---------------------------------------------------------------------------------------------

/** Looks at the first bytes of an accepted connection before a filter chain is chosen. */
export interface ListenerFilterDef<C extends MessageName = MessageName> {
  /** "envoy.filters.listener.tls_inspector" */
  readonly name: string;
  readonly config: C;
  readonly ledger: Ledger;
  create(config: Messages[C], context: FactoryContext): ListenerFilter;
}

/** Shared by all connections of a listener. */
export interface ListenerFilter {
  /** The connection was accepted; nothing was read yet. "close": drop it. */
  onAccept?(socket: Socket, facts: ListenerFacts): "next" | "close";
  /**
   * Sees all bytes that arrived so far and were not consumed, at each arrival, and notes in `facts` what it finds. "more":
   * wait for more bytes; "next": done with this connection; a number: the same, and so many bytes are consumed; "close":
   * drop the connection.
   */
  onBytes?(bytes: Buffer, facts: ListenerFacts): "more" | "next" | "close" | number;
}

/** What listener filters find out, for the choice of the filter chain and for those who serve the connection. */
export interface ListenerFacts {
  /** Lower case; "" if unknown. */
  serverName: string;
  /** "raw_buffer" or "tls". */
  transportProtocol: string;
  /** In the client's order. */
  applicationProtocols: readonly string[];
  /** Who the client is and where it wanted to go, where the socket does not tell the truth. */
  remote?: SocketEndpoint;
  local?: SocketEndpoint;
  /** Becomes that of the connection. */
  dynamicMetadata?: Map<string, Record<string, unknown>>;
  filterState?: Map<string, unknown>;
  /** TLVs of the client's PROXY header that go on to hosts. */
  proxyTlvs?: readonly ProxyTlv[];
}

/** One end of a connection. */
export interface SocketEndpoint {
  readonly ip: string;
  readonly port: number;
}

// ---- Transport sockets --------------------------------------------------------------------------------------------

/** How bytes travel on a socket, e.g. TLS. */
export interface TransportSocketDef<C extends MessageName = MessageName> {
  readonly name: string;
  readonly config: C;
  readonly ledger: Ledger;
  /** For accepted connections. Refuses with an Error that says why. */
  createServer?(config: Messages[C], context: ServerTransportContext): ServerTransport;
  /** For connections to hosts of a cluster. */
  createClient?(config: Messages[C], context: ClientTransportContext): ClientTransport;
  /** Refuses a discovered secret that could not be used, with an Error that says why. */
  checkSecret?(secret: Messages["envoy.extensions.transport_sockets.tls.v3.Secret"]): void;
}

/** Secrets that are discovered, or stand in static_resources. */
export interface Secrets {
  /** Whether changes are told; false where configuration is only tried out. */
  readonly follows: boolean;
  /** Undefined as long as it has not come. */
  get(
    config: Messages["envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"],
  ): Messages["envoy.extensions.transport_sockets.tls.v3.Secret"] | undefined;
  /** Tells of each new version. Returns how to stop. */
  watch(
    config: Messages["envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"],
    onChange: () => void,
  ): () => void;
}

/** What is common to both sides. Workers have the index of theirs; nothing is watched on the main thread. */
export interface TransportSocketContext extends Pick<
  FactoryContext,
  "clock" | "logger" | "workerIndex" | "processSecret" | "secrets"
> {
  /** "listener.<address>." or "cluster.<name>." */
  readonly scope: StatScope;
}

export interface ServerTransportContext extends TransportSocketContext {
  /** ALPN names that can be agreed on; undefined = any. */
  readonly protocols: readonly string[] | undefined;
  /** Milliseconds that a handshake may take; 0 = no limit. */
  readonly connectTimeout: number;
}

export interface ServerTransport {
  /** Takes an accepted socket over and calls one of the callbacks, once. */
  accept(socket: Socket, callbacks: ServerTransportCallbacks): void;
  /** Chain of trust and keys in use, for /certs. */
  certificates(): CertificateReport;
  close(): void;
}

export interface ServerTransportCallbacks {
  /** Application data flows on `socket` from now on. */
  onSecure(socket: Socket, tls: TlsInfo): void;
  /** The connection is gone, or going. */
  onFailure(reason: string, timedOut: boolean): void;
}

export interface ClientTransportContext extends TransportSocketContext {
  /** ALPN names that connections of the cluster can speak. */
  readonly protocols: readonly string[];
}

export interface ClientTransport {
  /** Connections tell hosts of the client that they are for: no two clients can have one. */
  readonly perClient?: boolean;
  /** Opens the connections of one pool. */
  connector(peer: ClientPeer): ClientConnector;
  certificates(): CertificateReport;
  close(): void;
}

/** Whom a pool connects to. */
export interface ClientPeer {
  readonly hostname: string;
  /** Server name taken from the request (auto_sni); undefined = the configured one. */
  readonly serverName: string | undefined;
  /** Name that the certificate must have (auto_san_validation). */
  readonly validName: string | undefined;
  /** ALPN names to offer when none are configured; undefined = all that the cluster can speak. */
  readonly protocols: readonly string[] | undefined;
  /** The client's connection; undefined for requests of the proxy's own. */
  readonly client?: ConnectionInfo | undefined;
}

export interface ClientConnector {
  /** `onConnect` follows after the handshake, or `onClose` with Envoy's text of what failed. */
  connect(
    target: NetConnectOpts,
    net: NetContext,
    handler: ConnectionHandler,
    /** Goes before everything else, even a TLS handshake. */
    preamble?: Buffer,
  ): Connection;
}

/** envoy.admin.v3.Certificate in the JSON form. */
export interface CertificateReport {
  readonly ca_cert: readonly unknown[];
  readonly cert_chain: readonly unknown[];
}
