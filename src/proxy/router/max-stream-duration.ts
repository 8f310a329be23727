import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Messages } from "../../proto/messages.d.ts";

const GRPC_TIMEOUT = knownHeaderId("grpc-timeout");
/** Milliseconds per unit of grpc-timeout. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

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
    if (this.#grpcMax === undefined) return this.#max;
    const asked = grpcTimeout(headers.getId(GRPC_TIMEOUT));
    if (asked === undefined) return this.#max;
    const timeout = this.#grpcMax > 0 ? Math.min(asked, this.#grpcMax) : asked;
    return timeout > this.#grpcOffset ? timeout - this.#grpcOffset : timeout;
  }
}

/** Milliseconds of a grpc-timeout such as "200m"; undefined if it is absent or malformed. */
export function grpcTimeout(text: string | undefined): number | undefined {
  const match = text === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(text);
  return match === null ? undefined : Math.ceil(Number(match[1]) * UNITS[match[2]!]!);
}
