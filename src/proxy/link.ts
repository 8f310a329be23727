// Messages between the main thread and its workers. Resources cross as encoded protobuf that the main thread has
// validated; each worker decodes what it uses.
import type { Server } from "node:net";
import type { Transferable } from "node:worker_threads";
import type { StatUpdate } from "../stats/slots.ts";
import type { ConsecutiveKind } from "./upstream/outlier/outlier-settings.ts";

/** Everything a worker needs to begin. */
export interface WorkerInit {
  readonly index: number;
  readonly concurrency: number;
  /** envoy.config.bootstrap.v3.Bootstrap: node, limits, stats settings; its static resources come as messages. */
  readonly bootstrap: Uint8Array;
  readonly breakers: SharedArrayBuffer;
  readonly hostStates: SharedArrayBuffer;
  /** What of the counts in `breakers` and `hostStates` is this worker's: given back when it crashes. */
  readonly own?: { readonly breakers: SharedArrayBuffer; readonly hostStates: SharedArrayBuffer };
  /**
   * Two Int32: how many of a thousand responses end their connection, and how many do on listeners whose drain_type is
   * MODIFY_ONLY, which /healthcheck/fail does not drain. 0 = serving, 1000 = draining; between them while draining
   * gradually.
   */
  readonly drainState: SharedArrayBuffer;
  readonly logLevels: Readonly<Record<string, string>>;
  readonly logPath: string;
  readonly localIp: string;
  /** When lines of access logs are written: after so many bytes or milliseconds. */
  readonly logFlush?: { readonly bytes: number; readonly after: number };
  /** Random bytes that all workers share, for keys that they must agree on, such as those of TLS session tickets. */
  readonly processSecret?: Uint8Array;
  /** Extension manifest to load, as a file URL; default: src/extensions/index.ts. */
  readonly manifest?: string;
}

/** An endpoint as the main thread resolved it. */
export interface HostSpec {
  /** Index of its state in `hostStates`. */
  readonly slot: number;
  /** "ip:port", "[v6]:port" or a socket path. */
  readonly address: string;
  /** "" for sockets by path. */
  readonly ip: string;
  /** 0 for sockets by path. */
  readonly port: number;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly localityWeight: number;
  /** EDS health; active checks and ejections are in `hostStates`. */
  readonly health: "healthy" | "unhealthy" | "degraded" | "draining";
  /** envoy.config.core.v3.Metadata, if any. */
  readonly metadata: Uint8Array | undefined;
  /** How its active health checks differ from those of the cluster. */
  readonly healthCheck?: HostHealthCheck | undefined;
}

/** envoy.config.endpoint.v3.Endpoint.HealthCheckConfig; "" and 0 = as the host's own. */
export interface HostHealthCheck {
  readonly ip: string;
  readonly port: number;
  readonly hostname: string;
  readonly disabled: boolean;
}

/** Where a listener listens: an IP address and a port, or a path. */
export interface BindAddress {
  readonly ip: string;
  readonly port: number;
  readonly path: string;
}

/** A listening socket on its way from one owner to another; it goes on queueing clients meanwhile. */
export interface HandedSocket {
  readonly bind: BindAddress;
  readonly server: Server;
}

/**
 * How workers stop listening: all give their sockets to one of them, which closes them together. Without it, each
 * closes its own, and clients that connect at that moment may be reset.
 */
export interface Closing {
  /** Unique in this process. */
  readonly id: number;
  /** Index of the worker that closes. */
  readonly worker: number;
  /** How many others hand sockets over. */
  readonly others: number;
}

export type ToWorker =
  | {
      readonly kind: "cluster";
      readonly name: string;
      readonly bytes: Uint8Array;
      readonly breakerSlot: number;
    }
  | {
      readonly kind: "hosts";
      readonly cluster: string;
      readonly hosts: readonly HostSpec[];
      readonly overprovisioning: number;
    }
  /** `failed` of some of its hosts changed. */
  | { readonly kind: "host-health"; readonly cluster: string }
  | { readonly kind: "remove-cluster"; readonly name: string }
  /** A secret by its key (proxy/secrets.ts); undefined: nobody asks for it any longer. */
  | { readonly kind: "secret"; readonly key: string; readonly bytes: Uint8Array | undefined }
  | { readonly kind: "routes"; readonly name: string; readonly bytes: Uint8Array | undefined }
  | {
      readonly kind: "listener";
      readonly name: string;
      readonly bytes: Uint8Array;
      /** Addresses to listen on, ports resolved, in the order of address and additional_addresses. */
      readonly bind: readonly BindAddress[];
      /** How long connections of the version before may go on; default: 600 000. */
      readonly drainMs?: number;
      /** For addresses of the version before that are no longer listened on. */
      readonly closing?: Closing | undefined;
      /** Sockets that listen already, for this worker. */
      readonly sockets?: readonly HandedSocket[];
    }
  | {
      readonly kind: "remove-listener";
      readonly name: string;
      readonly drainMs: number;
      readonly closing?: Closing | undefined;
    }
  /** Stop accepting on all listeners; open connections go on. */
  | {
      readonly kind: "stop-listening";
      readonly id: number;
      readonly inboundOnly: boolean;
      /** Idle connections are closed, too. */
      readonly closeIdle: boolean;
      /** Another process listens on the same addresses. */
      readonly shared: boolean;
      readonly closing?: Closing | undefined;
    }
  /** Give the sockets of these addresses away, in "released"; open connections go on. */
  | { readonly kind: "release-sockets"; readonly id: number; readonly addresses: readonly BindAddress[] }
  /** Accept on sockets that were released. */
  | { readonly kind: "adopt-sockets"; readonly sockets: readonly HandedSocket[] }
  /** Sockets of a listener that another worker handed over, to be closed with ours. */
  | {
      readonly kind: "sockets";
      readonly closing: number;
      readonly listener: string;
      readonly sockets: readonly HandedSocket[];
    }
  /** Runtime values, merged over all layers. */
  | { readonly kind: "runtime"; readonly values: Readonly<Record<string, string | number | boolean>> }
  | { readonly kind: "log-levels"; readonly levels: Readonly<Record<string, string>> }
  | { readonly kind: "reopen-logs" }
  /** Stats are about to be read: send names that were not sent yet, then answer. */
  | { readonly kind: "flush-stats"; readonly id: number }
  /** Flush logs and exit. */
  | { readonly kind: "exit" };

export type FromWorker =
  | { readonly kind: "ready" }
  /** So many requests to a host failed in a row. */
  | {
      readonly kind: "outlier";
      readonly cluster: string;
      readonly slot: number;
      readonly found: ConsecutiveKind;
    }
  | { readonly kind: "stats"; readonly update: StatUpdate }
  /** Answer to "flush-stats", after the stats. */
  | { readonly kind: "stats-flushed"; readonly id: number }
  /** Answer to "listener": it accepts on these addresses, or why not. */
  | { readonly kind: "listening"; readonly name: string; readonly error: string | undefined }
  /** A removed listener's last connection is gone. */
  | { readonly kind: "drained"; readonly name: string }
  /** Sockets that another worker is to close. */
  | {
      readonly kind: "sockets";
      readonly to: number;
      readonly closing: number;
      readonly listener: string;
      readonly sockets: readonly HandedSocket[];
    }
  /** The worker ends after an error: its sockets, so that clients that wait in them are not lost. */
  | { readonly kind: "orphaned"; readonly sockets: readonly HandedSocket[] }
  /** Answer to "release-sockets". */
  | { readonly kind: "released"; readonly id: number; readonly sockets: readonly HandedSocket[] }
  /** Answer to "stop-listening": what was to be closed here is closed or handed over. */
  | { readonly kind: "stopped-listening"; readonly id: number }
  | { readonly kind: "log"; readonly level: string; readonly component: string; readonly message: string };

/** Int32 fields per cluster and priority in `WorkerInit.breakers`, changed with Atomics by all threads. */
export const BREAKER_FIELDS = { connections: 0, pending: 1, requests: 2, retries: 3 } as const;
/** Int32 words per cluster: two priorities of four counts. */
export const BREAKER_WORDS = 8;

/** Int32 fields per host in `WorkerInit.hostStates`. */
export const HOST_FIELDS = {
  /** Requests in flight from all threads. */
  activeRequests: 0,
  activeConnections: 1,
  /** Bits of HOST_FAILED. */
  failed: 2,
  pendingRequests: 3,
  /** Totals since the host is known, for /clusters: they wrap at 2^31. */
  connectionsTotal: 4,
  connectFails: 5,
  requestsTotal: 6,
  requestErrors: 7,
  requestSuccesses: 8,
  requestTimeouts: 9,
  /** For outlier detection: in a row, … */
  consecutive5xx: 10,
  consecutiveGatewayFailures: 11,
  consecutiveLocalFailures: 12,
  /** … in all, … */
  goodAnswers: 13,
  badAnswers: 14,
  /** … and of connections, where these are split off. */
  localSuccesses: 15,
  localFailures: 16,
} as const;
/** Int32 words per host. */
export const HOST_WORDS = 17;
/** Why a host is out of use, or not to be used as much as others. */
export const HOST_FAILED = { activeCheck: 1, outlier: 2, degraded: 4 } as const;
/** Most clusters and hosts at a time; the buffers are virtual memory until used. */
export const MAX_CLUSTERS = 65_536;
export const MAX_HOSTS = 262_144;

/** What of a message has to be moved to the other thread instead of copied. */
export function transferOf(message: ToWorker | FromWorker): Transferable[] {
  const sockets = "sockets" in message ? (message.sockets ?? []) : [];
  return sockets.map(({ server }) => server as unknown as Transferable);
}

/** `WorkerInit.drainState` when every response ends its connection. */
export const DRAIN_ALL = 1000;
