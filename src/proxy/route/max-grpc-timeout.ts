import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { isGrpcContentType } from "../../grpc/content-type.ts";
import { parseGrpcTimeout } from "../../grpc/timeout.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Messages } from "../../proto/messages.d.ts";

const CONTENT_TYPE = knownHeaderId("content-type");
const GRPC_TIMEOUT = knownHeaderId("grpc-timeout");

/** max_grpc_timeout and grpc_timeout_offset, which max_stream_duration came after: a gRPC request names its route timeout. */
export class MaxGrpcTimeout {
  /** Milliseconds; 0 = no upper bound. */
  readonly #max: number;
  readonly #offset: number;

  constructor({ maxGrpcTimeout, grpcTimeoutOffset }: Messages["envoy.config.route.v3.RouteAction"]) {
    this.#max = durationMs(maxGrpcTimeout, 0);
    this.#offset = durationMs(grpcTimeoutOffset, 0);
  }

  /** Milliseconds for this request, 0 = no limit; undefined = it is no gRPC request. */
  limit(headers: HeaderMap): number | undefined {
    if (!isGrpcContentType(headers.getId(CONTENT_TYPE))) return undefined;
    const text = headers.getId(GRPC_TIMEOUT);
    let timeout = text === undefined ? 0 : Math.ceil(parseGrpcTimeout(text) ?? 0);
    if (this.#offset < timeout) timeout -= this.#offset;
    return this.#max !== 0 && (timeout === 0 || timeout > this.#max) ? this.#max : timeout;
  }
}
