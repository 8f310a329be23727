import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { FilterStream, HttpFilter, HttpFilterDef, Verdict } from "../../proxy/api.ts";

const CONTENT_LENGTH = knownHeaderId("content-length");
const TRANSFER_ENCODING = knownHeaderId("transfer-encoding");

/** What a route says: the limit in bytes, or 0 for "off". */
type RouteLimit = number;

/** envoy.filters.http.buffer: sends requests on when they are complete, with their length. */
export const bufferFilter: HttpFilterDef<
  "envoy.extensions.filters.http.buffer.v3.Buffer",
  "envoy.extensions.filters.http.buffer.v3.BufferPerRoute"
> = {
  name: "envoy.filters.http.buffer",
  config: "envoy.extensions.filters.http.buffer.v3.Buffer",
  perRoute: "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
  ledger: {
    "envoy.extensions.filters.http.buffer.v3.Buffer": "all",
    "envoy.extensions.filters.http.buffer.v3.BufferPerRoute": "all",
  },
  create(config) {
    const limit = limitOf(config.maxRequestBytes);
    return (stream) => new BufferFilter(stream, limit);
  },
  createPerRoute(config): RouteLimit {
    if (config.override.case === "buffer") return limitOf(config.override.value.maxRequestBytes);
    if (config.override.case === "disabled") return 0;
    throw new Error("BufferPerRoute: disabled or buffer must be set");
  },
};

function limitOf(bytes: number | undefined): number {
  if (bytes === undefined || bytes === 0) throw new Error("Buffer: max_request_bytes must be greater than 0");
  return bytes;
}

class BufferFilter implements HttpFilter {
  readonly #stream: FilterStream;
  #limit: number;
  #size = 0;

  constructor(stream: FilterStream, limit: number) {
    this.#stream = stream;
    this.#limit = limit;
  }

  onRequestHeaders(_headers: HeaderMap, end: boolean): Verdict {
    const route = this.#stream.perRoute() as RouteLimit | undefined;
    if (route !== undefined) this.#limit = route;
    if (end) this.#limit = 0;
    return this.#limit === 0 ? "continue" : "stop";
  }

  onRequestData(chunk: Buffer, end: boolean): Verdict {
    if (this.#limit === 0) return "continue";
    this.#size += chunk.length;
    if (this.#size > this.#limit) {
      this.#limit = 0;
      this.#stream.sendLocalReply({
        status: 413,
        body: "Payload Too Large",
        details: "request_payload_too_large",
        close: true,
      });
      return "stop";
    }
    return end ? this.#complete() : "stop";
  }

  onRequestTrailers(): Verdict {
    return this.#limit === 0 ? "continue" : this.#complete();
  }

  #complete(): Verdict {
    const headers = this.#stream.requestHeaders;
    if (!headers.hasId(CONTENT_LENGTH)) {
      headers.removeId(TRANSFER_ENCODING);
      headers.addId(CONTENT_LENGTH, String(this.#size));
    }
    this.#limit = 0;
    return "continue";
  }
}
