import {
  Server,
  ServerCredentials,
  status,
  type MethodDefinition,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { create, decode, encode } from "../proto/registry.ts";
import { AdsSession, nodeIdentity, servedType, type DiscoveryRequest } from "./ads-session.ts";
import type { ControlMetrics } from "./control-metrics.ts";
import { typeUrl, type ResourceTypeName } from "./resource.ts";
import { NodeRefused, type SnapshotBuilder } from "./snapshot.ts";
import type { SourceLog } from "./source.ts";
import type { TypeResponse } from "./subscription.ts";

type Call = ServerDuplexStream<DiscoveryRequest, Buffer>;

/** Paths of the streaming methods; those of one type know it without being told. */
const METHODS: readonly { path: string; type: ResourceTypeName | undefined }[] = [
  { path: "AggregatedDiscoveryService/StreamAggregatedResources", type: undefined },
  { path: "../cluster/v3.ClusterDiscoveryService/StreamClusters", type: "envoy.config.cluster.v3.Cluster" },
  {
    path: "../endpoint/v3.EndpointDiscoveryService/StreamEndpoints",
    type: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  },
  {
    path: "../listener/v3.ListenerDiscoveryService/StreamListeners",
    type: "envoy.config.listener.v3.Listener",
  },
  {
    path: "../route/v3.RouteDiscoveryService/StreamRoutes",
    type: "envoy.config.route.v3.RouteConfiguration",
  },
];

export interface AdsServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** How long removed clusters stay with a node, in milliseconds. */
  readonly lingerMs: number;
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
  readonly #sessions = new Map<AdsSession, Call>();
  #lingerTimer: NodeJS.Timeout | undefined;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    this.#server = new Server({
      "grpc.keepalive_time_ms": 30_000,
      "grpc.keepalive_timeout_ms": 10_000,
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.max_receive_message_length": 16 * 1024 * 1024,
    });
    const definition: Record<string, MethodDefinition<DiscoveryRequest, Buffer>> = {};
    const handlers: Record<string, (call: Call) => void> = {};
    for (const { path, type } of METHODS) {
      const name = path.slice(path.indexOf("/") + 1).replace(/^.*\//, "");
      definition[name] = {
        path: fullPath(path),
        requestStream: true,
        responseStream: true,
        requestSerialize: (message: DiscoveryRequest) =>
          Buffer.from(encode("envoy.service.discovery.v3.DiscoveryRequest", message)),
        requestDeserialize: (bytes: Buffer) => decode("envoy.service.discovery.v3.DiscoveryRequest", bytes),
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      handlers[name] = (call) => this.#serve(call, type);
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
    for (const [session, call] of this.#sessions) this.#push(session, call);
  }

  async close(): Promise<void> {
    clearTimeout(this.#lingerTimer);
    for (const call of this.#sessions.values()) call.end();
    const { promise, resolve } = Promise.withResolvers<void>();
    const force = setTimeout(() => {
      this.#server.forceShutdown();
      resolve();
    }, 2000);
    this.#server.tryShutdown(() => resolve());
    await promise;
    clearTimeout(force);
  }

  #serve(call: Call, fixedType: ResourceTypeName | undefined): void {
    let session: AdsSession | undefined;
    call.on("data", (request: DiscoveryRequest) => {
      try {
        session ??= this.#open(request, call);
        const type = fixedType ?? servedType(request.typeUrl);
        if (type === undefined) {
          // Not ours to answer; other types on the stream go on.
          this.#options.log.warn(`node ${session.node.id} asks for ${request.typeUrl}, which is not served`);
          return;
        }
        session.receive(type, request);
      } catch (error) {
        this.#refuse(call, error);
      }
    });
    const gone = () => {
      if (session !== undefined && this.#sessions.delete(session)) {
        this.#options.log.info(`node ${session.node.id} (${session.view}) disconnected`);
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

  #open(request: DiscoveryRequest, call: Call): AdsSession {
    const { log, metrics, lingerMs } = this.#options;
    const node = nodeIdentity(request);
    const session = new AdsSession(node, Date.now(), lingerMs, {
      send: (type, response) => this.#send(call, type, response),
      onNack: (type, version, error) => {
        metrics.nacks.add({ node: node.id, type }, 1);
        log.warn(`node ${node.id} rejects ${type} version ${version}: ${error}`);
      },
      onMissing: (type, names) =>
        log.warn(`node ${node.id} asks for ${type} ${names.join(", ")}, which its view does not have`),
    });
    this.#options.snapshots.build(node);
    this.#sessions.set(session, call);
    this.#push(session, call);
    log.info(
      `node ${node.id} (cluster ${node.cluster || "-"}) connected, view ${session.view || "not yet known"}`,
    );
    return session;
  }

  #push(session: AdsSession, call: Call): void {
    if (!this.#options.ready()) return;
    try {
      const until = session.push(this.#options.snapshots.build(session.node), Date.now());
      if (until !== undefined) this.#wakeAt(until);
    } catch (error) {
      this.#sessions.delete(session);
      this.#refuse(call, error);
    }
  }

  #send(call: Call, type: ResourceTypeName, response: TypeResponse): void {
    this.#options.metrics.pushes.add({ type }, 1);
    const url = typeUrl(type);
    call.write(
      Buffer.from(
        encode(
          "envoy.service.discovery.v3.DiscoveryResponse",
          create("envoy.service.discovery.v3.DiscoveryResponse", {
            typeUrl: url,
            versionInfo: response.version,
            nonce: response.nonce,
            resources: response.resources.map((each) => ({ typeUrl: url, value: each.bytes })),
            controlPlane: { identifier: "weft-control" },
          }),
        ),
      ),
    );
  }

  #refuse(call: Call, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const refused = error instanceof NodeRefused;
    this.#options.metrics.refusals.add({}, 1);
    this.#options.log.warn(refused ? `refused: ${text}` : `stream failed: ${text}`);
    call.emit("error", { code: refused ? status.PERMISSION_DENIED : status.INTERNAL, details: text });
  }

  #wakeAt(time: number): void {
    if (this.#lingerTimer !== undefined) return;
    this.#lingerTimer = setTimeout(
      () => {
        this.#lingerTimer = undefined;
        this.pushAll();
      },
      Math.max(10, time - Date.now()),
    );
    this.#lingerTimer.unref();
  }
}

function fullPath(path: string): string {
  return path.startsWith("../")
    ? `/envoy.service.${path.slice(3).replace("/v3.", ".v3.")}`
    : `/envoy.service.discovery.v3.${path}`;
}
