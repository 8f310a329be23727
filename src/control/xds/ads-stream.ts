import { systemClock } from "../../base/clock.ts";
import type { GrpcCall, GrpcCallHandler } from "../../grpc/server-method.ts";
import { GRPC_STATUS } from "../../grpc/status.ts";
import type { AdsSession } from "./ads-session.ts";
import { decodeRequest, type DiscoveryRequest } from "./discovery-request.ts";
import type { DiscoveryProtocol } from "./discovery-response.ts";
import type { ResourceChanges } from "./resource-changes.ts";
import { servedType, type ResourceTypeName } from "./resource-type.ts";

/** What a stream asks of its server. */
export interface AdsStreamOwner {
  /** The first request tells who the stream is for. Throws NodeRefused. */
  open(stream: AdsStream, request: DiscoveryRequest): AdsSession;
  refuse(call: GrpcCall, error: unknown): void;
  notServed(session: AdsSession, typeUrl: string): void;
  closed(session: AdsSession): void;
}

/** One stream: requests in, responses out. */
export class AdsStream implements GrpcCallHandler {
  readonly call: GrpcCall;
  readonly protocol: DiscoveryProtocol;
  /** The one type it carries; undefined when it is aggregated. */
  readonly type: ResourceTypeName | undefined;
  readonly #server: AdsStreamOwner;
  #session: AdsSession | undefined;
  #over = false;

  constructor(
    server: AdsStreamOwner,
    call: GrpcCall,
    protocol: DiscoveryProtocol,
    type: ResourceTypeName | undefined,
  ) {
    this.#server = server;
    this.call = call;
    this.protocol = protocol;
    this.type = type;
  }

  send(response: ResourceChanges, lastNonce: string): string {
    const { nonce, frame } = response.encode(this.protocol, lastNonce);
    this.call.send(frame);
    return nonce;
  }

  onMessage(message: Buffer): void {
    if (this.#over) return;
    try {
      const request = decodeRequest(this.protocol, message);
      const session = (this.#session ??= this.#server.open(this, request));
      const type = this.type ?? servedType(request.typeUrl);
      // A type that is not ours to answer leaves the other types on the stream alone.
      if (type === undefined) this.#server.notServed(session, request.typeUrl);
      else session.receive(type, request, systemClock.wall());
    } catch (error) {
      this.#over = true;
      this.#server.refuse(this.call, error);
    }
  }

  onEnd(): void {
    this.call.end(GRPC_STATUS.ok);
  }

  /** The client comes again on another connection, and goes on where it was. */
  onGoAway(): void {
    this.call.end(GRPC_STATUS.ok);
  }

  onClose(): void {
    this.#over = true;
    if (this.#session !== undefined) this.#server.closed(this.#session);
  }
}
