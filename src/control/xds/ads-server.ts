import { systemClock } from "../../base/clock.ts";
import { GrpcServer } from "../../grpc/server.ts";
import type { GrpcCall } from "../../grpc/server-method.ts";
import { GRPC_STATUS, type GrpcStatus } from "../../grpc/status.ts";
import { AdsSession } from "./ads-session.ts";
import { AdsStream, type AdsStreamOwner } from "./ads-stream.ts";
import type { ControlMetrics } from "../control-metrics.ts";
import type { DiscoveryRequest } from "./discovery-request.ts";
import type { DiscoveryProtocol } from "./discovery-response.ts";
import { nodeIdentity } from "./node-identity.ts";
import { RESOURCE_TYPES, typeDef, type ResourceTypeName } from "./resource-type.ts";
import { NodeRefused, type SnapshotSource } from "./snapshot.ts";
import type { SourceLog } from "../catalog/source.ts";

const ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService";
/** Requests are small: names of resources, and the reason of a rejection. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** How often sessions are looked at for what depends on time. */
const TICK_MS = 500;
/** How long streams wait for something to serve before they are sent to another control plane. */
const MAX_WAIT_MS = 3000;
/** How long streams have to end by themselves when the server stops at once. */
const CLOSE_MS = 200;
/** Proxies that are sent elsewhere leave this far apart on average, in milliseconds, if the time that is given allows. */
const DRAIN_GAP_MS = 10;

export interface AdsServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly log: SourceLog;
  readonly metrics: ControlMetrics;
  readonly snapshots: SnapshotSource;
  /** Whether there is something to serve; until then streams wait a little. */
  readonly ready: () => boolean;
  /** Age at which a client is asked to connect anew, in milliseconds; 0 = never. */
  readonly maxConnectionAge?: number;
  /** Asked about each stream: the status with which it is refused, or undefined. */
  readonly admit?: (call: GrpcCall) => GrpcStatus | undefined;
}

/** xDS over gRPC: aggregated and per-type streams, state of the world and incremental. */
export class AdsServer implements AdsStreamOwner {
  readonly grpc: GrpcServer;
  readonly #options: AdsServerOptions;
  readonly #streams = new Map<AdsSession, AdsStream>();
  /** Open aggregated streams by node id. */
  readonly #ids = new Map<string, AdsSession>();
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    const { log, maxConnectionAge, admit } = options;
    this.grpc = new GrpcServer({
      maxMessage: MAX_REQUEST_BYTES,
      ...(maxConnectionAge !== undefined && { maxConnectionAge }),
      ...(admit !== undefined && { admit }),
      onTlsFailure: (address, reason) => log.warn(`TLS with ${address} failed: ${reason}`),
    });
    this.#register(ADS, "StreamAggregatedResources", "sotw", undefined);
    this.#register(ADS, "DeltaAggregatedResources", "delta", undefined);
    for (const type of RESOURCE_TYPES) {
      const { service, stream, delta } = typeDef(type);
      if (stream !== undefined) this.#register(service, stream, "sotw", type);
      this.#register(service, delta, "delta", type);
    }
    this.#timer = setInterval(() => this.#tick(systemClock.wall()), TICK_MS);
    this.#timer.unref();
  }

  get sessions(): AdsSession[] {
    return [...this.#streams.keys()];
  }

  /** Starts to listen; returns the port. Throws when it is taken. */
  async listen(): Promise<number> {
    return this.grpc.listen(this.#options.host, this.#options.port);
  }

  /** Sends every node what changed. */
  pushAll(): void {
    const now = systemClock.wall();
    for (const [session, stream] of this.#streams) this.#push(session, stream, now);
  }

  /**
   * Takes no more clients and sends those that are here elsewhere one by one, over `most` milliseconds at most: a few are
   * gone at once.
   */
  async drain(most: number): Promise<void> {
    await this.grpc.drain(Math.min(most, this.grpc.connections * DRAIN_GAP_MS));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.grpc.drain(0, CLOSE_MS);
  }

  #register(
    service: string,
    method: string,
    protocol: DiscoveryProtocol,
    type: ResourceTypeName | undefined,
  ): void {
    this.grpc.register(`/${service}/${method}`, (call) => new AdsStream(this, call, protocol, type));
  }

  open(stream: AdsStream, request: DiscoveryRequest): AdsSession {
    const { log, metrics, snapshots } = this.#options;
    const now = systemClock.wall();
    const node = nodeIdentity(request.node(), stream.call.peer.address);
    snapshots.build(node, now);
    const session = new AdsSession(node, stream.protocol, now, {
      send: (response, lastNonce) => {
        metrics.pushes.add(1, { type: response.type });
        return stream.send(response, lastNonce);
      },
      onNack: (type, version, error) => {
        metrics.nacks.add(1, { node: node.id, type });
        log.warn(`node ${node.id} rejects ${type} version ${version}: ${error}`);
      },
      onMissing: (type, names) =>
        log.warn(`node ${node.id} asks for ${type} ${names.join(", ")}, which its view does not have`),
    });
    if (stream.type === undefined) this.#noteId(session);
    this.#streams.set(session, stream);
    this.#push(session, stream, now);
    log.info(
      `node ${node.id} (cluster ${node.cluster || "-"}) connected from ${node.peer}, view ${session.view || "not yet known"}`,
    );
    return session;
  }

  refuse(call: GrpcCall, error: unknown): void {
    const { log, metrics } = this.#options;
    const text = error instanceof Error ? error.message : String(error);
    const refused = error instanceof NodeRefused;
    metrics.refusals.add(1);
    log.warn(refused ? `refused: ${text}` : `stream failed: ${text}`);
    call.end(refused ? GRPC_STATUS.permissionDenied : GRPC_STATUS.internal, text);
  }

  notServed(session: AdsSession, typeUrl: string): void {
    this.#options.log.warn(`node ${session.node.id} asks for ${typeUrl}, which is not served`);
  }

  closed(session: AdsSession): void {
    if (!this.#streams.delete(session)) return;
    const { id } = session.node;
    if (this.#ids.get(id) === session) this.#ids.delete(id);
    this.#options.log.info(`node ${id} (${session.view || "no view yet"}) disconnected`);
  }

  #noteId(session: AdsSession): void {
    const { id, peer } = session.node;
    const twin = this.#ids.get(id);
    this.#ids.set(id, session);
    if (twin === undefined) return;
    this.#options.log.warn(
      `node id "${id}" is used from ${twin.node.peer} and ${peer}: give every proxy an id of its own to tell them apart`,
    );
  }

  #push(session: AdsSession, stream: AdsStream, now: number): void {
    const { ready, snapshots } = this.#options;
    if (this.#closed || !ready()) return;
    try {
      session.push(snapshots.build(session.node, now), now);
    } catch (error) {
      this.refuse(stream.call, error);
    }
  }

  #tick(now: number): void {
    const { ready, snapshots } = this.#options;
    if (!ready()) return this.#sendElsewhere(now - MAX_WAIT_MS);
    const { due } = snapshots;
    if (due !== undefined && due <= now) this.pushAll();
    for (const session of this.#streams.keys()) session.tick(now);
  }

  /** Ends the streams that came before a time: another control plane may have something to serve. */
  #sendElsewhere(before: number): void {
    for (const [session, { call }] of this.#streams)
      if (session.connectedAt <= before)
        call.end(GRPC_STATUS.unavailable, "nothing to serve yet: the sources were never read");
  }
}
