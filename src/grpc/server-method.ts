import type { CertificateFacts } from "../net/tls/certificate-facts.ts";

/** Who calls. */
export interface GrpcPeer {
  /** "127.0.0.1:4711", "[::1]:4711". */
  readonly address: string;
  /** The client's certificate, verified; undefined when it showed none or TLS is not used. */
  readonly certificate: CertificateFacts | undefined;
}

/** One call, as a method of the server sees it. */
export interface GrpcCall {
  /** "/pkg.Service/Method" */
  readonly path: string;
  readonly peer: GrpcPeer;
  /** False while more is sent than the client takes: wait for `onDrain`. */
  readonly writable: boolean;
  /** Custom metadata by lower-case name; several values are joined by ",". */
  metadata(name: string): string | undefined;
  /**
   * Sends one message, given with its prefix (`encodeFrame`), in one or more pieces. They are kept and not copied until they
   * are sent: pieces that never change can go to many calls at once. Returns `writable`.
   */
  send(frame: Buffer | readonly Buffer[]): boolean;
  /** Ends the call with a status of GRPC_STATUS, after what was sent. Later calls do nothing. */
  end(code: number, message?: string): void;
  /** Stops and restarts the reading of messages. */
  pause(): void;
  resume(): void;
}

/** What a call calls. Nothing comes after `onClose`. */
export interface GrpcCallHandler {
  /** A message; its bytes are lent until the call returns. */
  onMessage(message: Buffer): void;
  /** The client will send no more; the method still has to end the call. */
  onEnd(): void;
  /** `send` is welcome again. */
  onDrain?(): void;
  /** The connection is to be closed before long: a call that would stay open should end soon. */
  onGoAway?(): void;
  /** The call is over: ended, cancelled, out of time, or its connection is gone. Comes exactly once. */
  onClose(): void;
}

/** A method: called when a call begins, returns who handles it. */
export type GrpcMethod = (call: GrpcCall) => GrpcCallHandler;
