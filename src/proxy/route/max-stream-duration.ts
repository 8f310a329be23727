import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "../../grpc/timeout.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Messages } from "../../proto/messages.d.ts";

const GRPC_TIMEOUT = knownHeaderId("grpc-timeout");

/** A route's limit on how long a stream may last. */
export class MaxStreamDuration {
  /** Milliseconds; undefined = the connection manager's. */
  readonly #max: number | undefined;
  /** Undefined = grpc-timeout is not looked at; 0 = it has no upper bound. */
  readonly #grpcMax: number | undefined;
  readonly #grpcOffset: number;

  constructor(config: Messages["envoy.config.route.v3.RouteAction.MaxStreamDuration"]) {
    this.#max = durationMs(config.maxStreamDuration, undefined);
    this.#grpcMax = durationMs(config.grpcTimeoutHeaderMax, undefined);
    this.#grpcOffset = durationMs(config.grpcTimeoutHeaderOffset, 0);
  }

  /** Milliseconds for this request; 0 = no limit; undefined = the connection manager's. */
  limit(headers: HeaderMap): number | undefined {
    return this.#asked(headers) ?? this.#max;
  }

  /** Tells the upstream what is left of the request's grpc-timeout, if it has one that counts. */
  announce(headers: HeaderMap): void {
    const limit = this.#asked(headers);
    if (limit !== undefined) headers.setId(GRPC_TIMEOUT, formatGrpcTimeout(limit));
  }

  #asked(headers: HeaderMap): number | undefined {
    const text = this.#grpcMax === undefined ? undefined : headers.getId(GRPC_TIMEOUT);
    const given = text === undefined ? undefined : parseGrpcTimeout(text);
    if (given === undefined) return undefined;
    const asked = Math.ceil(given);
    const timeout = this.#grpcMax! > 0 ? Math.min(asked, this.#grpcMax!) : asked;
    return timeout > this.#grpcOffset ? timeout - this.#grpcOffset : timeout;
  }
}
