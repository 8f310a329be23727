import {
  Server,
  ServerCredentials,
  status,
  type MethodDefinition,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { decode, encode } from "../proto/registry.ts";
import { AdsSession, nodeIdentity, servedType, type DiscoveryRequest } from "./ads-session.ts";
import type { ControlMetrics } from "./control-metrics.ts";
import type { ResourceTypeName } from "./resource.ts";
import { NodeRefused, type SnapshotBuilder } from "./snapshot.ts";
import type { SourceLog } from "./source.ts";
import type { TypeResponse } from "./subscription.ts";
import type { NodeIdentity } from "./views/view.ts";

type Call = ServerDuplexStream<DiscoveryRequest, Buffer>;

/** The streaming methods; one that carries a single type knows it without being told. */
const METHODS: readonly { service: string; method: string; type: ResourceTypeName | undefined }[] = [
  {
    service: "envoy.service.discovery.v3.AggregatedDiscoveryService",
    method: "StreamAggregatedResources",
    type: undefined,
  },
  {
    service: "envoy.service.cluster.v3.ClusterDiscoveryService",
    method: "StreamClusters",
    type: "envoy.config.cluster.v3.Cluster",
  },
  {
    service: "envoy.service.endpoint.v3.EndpointDiscoveryService",
    method: "StreamEndpoints",
    type: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  },
  {
    service: "envoy.service.listener.v3.ListenerDiscoveryService",
    method: "StreamListeners",
    type: "envoy.config.listener.v3.Listener",
  },
  {
    service: "envoy.service.route.v3.RouteDiscoveryService",
    method: "StreamRoutes",
    type: "envoy.config.route.v3.RouteConfiguration",
  },
];

/** Requests are small: names of resources, and the reason of a rejection. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** How long streams have to end by themselves when the server stops. */
const CLOSE_MS = 200;

export interface AdsServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly log: SourceLog;
  readonly metrics: ControlMetrics;
  readonly snapshots: SnapshotBuilder;
  /** Whether there is something to serve; until then streams wait. */
  readonly ready: () => boolean;
}

/** xDS over gRPC: aggregated and per-type streams, state of the world. */
export class AdsServer {
  readonly #options: AdsServerOptions;
  readonly #server: Server;
  readonly #sessions = new Map<AdsSession, { readonly call: Call; readonly aggregated: boolean }>();
  #lingerTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    this.#server = new Server({
      "grpc.keepalive_time_ms": 30_000,
      "grpc.keepalive_timeout_ms": 10_000,
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.max_receive_message_length": MAX_REQUEST_BYTES,
    });
    const definition: Record<string, MethodDefinition<DiscoveryRequest, Buffer>> = {};
    const handlers: Record<string, (call: Call) => void> = {};
    for (const { service, method, type } of METHODS) {
      definition[method] = {
        path: `/${service}/${method}`,
        requestStream: true,
        responseStream: true,
        requestSerialize: (message: DiscoveryRequest) =>
          Buffer.from(encode("envoy.service.discovery.v3.DiscoveryRequest", message)),
        requestDeserialize: (bytes: Buffer) => decode("envoy.service.discovery.v3.DiscoveryRequest", bytes),
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      handlers[method] = (call) => this.#serve(call, type);
    }
    this.#server.addService(definition, handlers as never);
  }

  get sessions(): AdsSession[] {
    return [...this.#sessions.keys()];
  }

  /** Starts to listen; returns the port. Throws when it is taken. */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(new Error(`Cannot listen on ${address}: ${error.message}`));
      else resolve(bound);
    });
    return promise;
  }

  /** Sends every node what changed. */
  pushAll(): void {
    for (const [session, { call }] of this.#sessions) this.#push(session, call);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#lingerTimer);
    for (const { call } of this.#sessions.values()) call.end();
    const { promise, resolve } = Promise.withResolvers<void>();
    // A client that keeps its connection for the next stream would hold up the shutdown for as long as it likes.
    const force = setTimeout(() => {
      this.#server.forceShutdown();
      resolve();
    }, CLOSE_MS);
    this.#server.tryShutdown(() => resolve());
    await promise;
    clearTimeout(force);
  }

  #serve(call: Call, fixedType: ResourceTypeName | undefined): void {
    const { log } = this.#options;
    let session: AdsSession | undefined;
    let refused = false;
    call.on("data", (request: DiscoveryRequest) => {
      if (refused) return;
      try {
        session ??= this.#open(request, call, fixedType === undefined);
        const type = fixedType ?? servedType(request.typeUrl);
        // A type that is not ours to answer leaves the other types on the stream alone.
        if (type === undefined) {
          log.warn(`node ${session.node.id} asks for ${request.typeUrl}, which is not served`);
        } else session.receive(type, request);
      } catch (error) {
        refused = true;
        this.#refuse(call, error);
      }
    });
    const gone = () => {
      if (session !== undefined && this.#sessions.delete(session)) {
        log.info(`node ${session.node.id} (${session.view || "no view yet"}) disconnected`);
      }
    };
    call.on("end", () => {
      gone();
      call.end();
    });
    call.on("error", gone);
    call.on("cancelled", gone);
    call.on("close", gone);
  }

  #open(request: DiscoveryRequest, call: Call, aggregated: boolean): AdsSession {
    const { log, metrics, snapshots } = this.#options;
    const node = nodeIdentity(request, call.getPeer());
    snapshots.build(node, Date.now());
    const session = new AdsSession(node, Date.now(), {
      send: (response) => this.#send(call, response),
      onNack: (type, version, error) => {
        metrics.nacks.add(1, { node: node.id, type });
        log.warn(`node ${node.id} rejects ${type} version ${version}: ${error}`);
      },
      onMissing: (type, names) =>
        log.warn(`node ${node.id} asks for ${type} ${names.join(", ")}, which its view does not have`),
    });
    if (aggregated) this.#warnOfTwin(node);
    this.#sessions.set(session, { call, aggregated });
    this.#push(session, call);
    log.info(
      `node ${node.id} (cluster ${node.cluster || "-"}) connected from ${node.peer}, view ${session.view || "not yet known"}`,
    );
    return session;
  }

  #warnOfTwin({ id, peer }: NodeIdentity): void {
    for (const [{ node }, { aggregated }] of this.#sessions) {
      if (!aggregated || node.id !== id) continue;
      this.#options.log.warn(
        `node id "${id}" is used from ${node.peer} and ${peer}: give every proxy an id of its own to tell them apart`,
      );
      return;
    }
  }

  #push(session: AdsSession, call: Call): void {
    const { ready, snapshots } = this.#options;
    if (this.#closed || !ready()) return;
    try {
      session.push(snapshots.build(session.node, Date.now()));
    } catch (error) {
      this.#sessions.delete(session);
      this.#refuse(call, error);
    }
    const { due } = snapshots;
    if (due !== undefined) this.#wakeAt(due);
  }

  #send(call: Call, { resources, version, nonce }: TypeResponse): void {
    this.#options.metrics.pushes.add(1, { type: resources.type });
    call.write(resources.encode(version, nonce));
  }

  #refuse(call: Call, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const refused = error instanceof NodeRefused;
    this.#options.metrics.refusals.add(1);
    this.#options.log.warn(refused ? `refused: ${text}` : `stream failed: ${text}`);
    call.emit("error", { code: refused ? status.PERMISSION_DENIED : status.INTERNAL, details: text });
  }

  #wakeAt(time: number): void {
    if (this.#lingerTimer !== undefined) return;
    const wake = () => {
      this.#lingerTimer = undefined;
      this.pushAll();
    };
    this.#lingerTimer = setTimeout(wake, Math.max(10, time - Date.now()));
    this.#lingerTimer.unref();
  }
}
