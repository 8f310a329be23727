import type { GrpcStatus } from "./status.ts";

/** A call that did not end with status 0. */
export class GrpcError extends Error {
  readonly status: GrpcStatus;

  constructor(status: GrpcStatus) {
    super(`gRPC status ${status.code}: ${status.message}`);
    this.status = status;
  }
}
