// The part of the contracts that is about connections: the filters of a filter chain, which see the bytes of a client
// before and where they are spoken for. Extensions see it through api.ts.
import type { Connection, ConnectionHandler } from "../net/connection.ts";
import type { Ledger } from "../proto/ledger.ts";
import type { Messages } from "../proto/messages.d.ts";
import type { StatScope } from "../stats/stat-store.ts";
import type { Extensions, FactoryContext } from "./api.ts";
import type { ConnectionInfo, StreamInfo } from "./stream-info.ts";

type MessageName = keyof Messages;

/** An accepted connection and what is known of it. */
export interface DownstreamConnection {
  readonly connection: Connection;
  readonly info: ConnectionInfo;
  /**
   * The record of the connection as a whole, made at first use: for filters that note something for a log, and for logs
   * of connections. Requests have records of their own.
   */
  readonly record: StreamInfo;
}

/**
 * A network filter. A chain has any number of those whose factory makes a `NetworkFilter` per connection, and one
 * terminal filter, its last, whose factory takes connections over. A chain of the terminal filter alone adds nothing
 * between it and the connection.
 */
export interface NetworkFilterDef<
  C extends MessageName = MessageName,
  F extends NetworkFilterFactory = NetworkFilterFactory,
> {
  /** "envoy.filters.network.tcp_proxy" */
  readonly name: string;
  readonly config: C;
  readonly ledger: Ledger;
  /** Refuses with an Error whose message says which field is wrong and why. */
  create(config: Messages[C], context: NetworkFilterContext): F;
}

export type NetworkFilterFactory = TerminalFilterFactory | PassingFilterFactory;

/** Ends a chain: answers or forwards. */
export interface TerminalFilterFactory {
  /** Takes over a connection: returns who handles its bytes. */
  accept(downstream: DownstreamConnection): ConnectionHandler;
  /**
   * Tell open connections to finish: "connection: close", GOAWAY.
   * @param closeIdle close idle ones too, that could only be told with their next response
   */
  drain(closeIdle: boolean): void;
  /** A filter before this one closed the connection before it got here: what there is to count and to log. */
  refused?(downstream: DownstreamConnection): void;
  /** The filter chain is gone and its last connection too. */
  close(): void;
  /** ALPN names of the protocols that it speaks, e.g. "http/1.1"; absent = it does not care. */
  readonly protocols?: readonly string[];
}

/** Looks at a connection before the filters after it. */
export interface PassingFilterFactory {
  /** Returns undefined when the filter does not take part in this connection. */
  attach(callbacks: NetworkFilterCallbacks): NetworkFilter | undefined;
}

/** "continue": the next filter. "stop": nothing further until `NetworkFilterCallbacks.continueReading`. */
export type NetworkVerdict = "continue" | "stop";

/** One filter on one connection. A hook that it lacks is not in the chain. */
export interface NetworkFilter {
  /** The connection begins; filters after this one do not know of it before it says "continue". */
  onNewConnection?(): NetworkVerdict;
  /**
   * All bytes of the client that did not go further yet, lent until the call returns; after "stop" they come again, with
   * those that arrived meanwhile. `end`: the client half-closed. Beyond the connection's buffer limit the client is
   * paused.
   */
  onData?(bytes: Buffer, end: boolean): NetworkVerdict;
  /** The connection is gone: stop timers, cancel calls. The last call. */
  onClose?(): void;
}

/** What a network filter sees of its connection. */
export interface NetworkFilterCallbacks {
  readonly downstream: DownstreamConnection;
  /** Goes on behind this filter after it said "stop". */
  continueReading(): void;
  /**
   * Closes the connection. `details` end up in %CONNECTION_TERMINATION_DETAILS%; bytes that the client sent and nobody
   * read make the system reset it.
   */
  close(details: string): void;
}

export interface NetworkFilterContext extends FactoryContext {
  /** "listener.<address>." */
  readonly listenerScope: StatScope;
  readonly listenerName: string;
  readonly perConnectionBufferLimit: number;
  /** The process-wide answer to "should this response close its connection?", as far as it holds for the listener. */
  readonly drainDecision: () => boolean;
  readonly failsHealthChecks: () => boolean;
  readonly routes: RouteConfigs;
  readonly extensions: Extensions;
  /** Compiles a format. Refuses with an Error that names what is wrong. */
  format(config: Messages["envoy.config.core.v3.SubstitutionFormatString"]): (info: StreamInfo) => string;
  /** Compiles access logs. Refuses unknown sinks and bad formats; opens no file. */
  accessLogs(list: readonly Messages["envoy.config.accesslog.v3.AccessLog"][]): AccessLogs;
}

/** The access logs of one filter. */
export interface AccessLogs {
  /** Logs wherever the log's filter lets it. */
  write(info: StreamInfo): void;
  /** Writes out what is buffered. */
  flush(): void;
}

/** Route configurations that came by RDS. */
export interface RouteConfigs {
  /** Current route configuration; undefined until it arrived. Changes are picked up by asking per request. */
  get(name: string): unknown;
}
