import { isGrpcContentType } from "../../grpc/content-type.ts";
import { encodeFrame, FRAME_PREFIX } from "../../grpc/frame.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { FilterStream, HttpFilter, HttpFilterDef, Verdict } from "../../proxy/api.ts";

const CONTENT_TYPE = knownHeaderId("content-type");
const CONTENT_LENGTH = knownHeaderId("content-length");
const GRPC_STATUS = knownHeaderId("grpc-status");
const GRPC_MESSAGE = knownHeaderId("grpc-message");
const PROTOBUF = "application/x-protobuf";
const EMPTY = Buffer.alloc(0);

/** Clients of HTTP/1.1, which seldom read trailers, get the status of a gRPC call in the response's headers. */
export const grpcHttp1Bridge: HttpFilterDef<"envoy.extensions.filters.http.grpc_http1_bridge.v3.Config"> = {
  name: "envoy.filters.http.grpc_http1_bridge",
  config: "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
  ledger: { "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config": "all" },
  create: ({ upgradeProtobufToGrpc, ignoreQueryParameters }) => {
    return (stream) => {
      if (stream.info.protocol === "HTTP/2") return undefined;
      const type = stream.requestHeaders.getId(CONTENT_TYPE);
      const framing = upgradeProtobufToGrpc && type === PROTOBUF;
      if (!framing && !isGrpcContentType(type)) return undefined;
      return new Bridge(stream, framing, ignoreQueryParameters);
    };
  },
};

class Bridge implements HttpFilter {
  readonly #stream: FilterStream;
  /** The client sends and reads bare protobuf. */
  readonly #framing: boolean;
  readonly #ignoreQuery: boolean;

  constructor(stream: FilterStream, framing: boolean, ignoreQuery: boolean) {
    this.#stream = stream;
    this.#framing = framing;
    this.#ignoreQuery = ignoreQuery;
  }

  onRequestHeaders(headers: HeaderMap, end: boolean): Verdict {
    if (!this.#framing) return "continue";
    this.#stream.info.grpc = false;
    headers.setId(CONTENT_TYPE, "application/grpc");
    headers.removeId(CONTENT_LENGTH);
    const query = headers.path.indexOf("?");
    if (this.#ignoreQuery && query >= 0) headers.path = headers.path.slice(0, query);
    this.#stream.clearRouteCache();
    return end ? "continue" : "stop";
  }

  onRequestData(chunk: Buffer, end: boolean): Verdict {
    if (!this.#framing) return "continue";
    if (!end) return "stop";
    // What was kept goes first, and the prefix before it.
    this.#stream.replaceRequestData(encodeFrame(Buffer.concat([this.#stream.takeRequestBody(), chunk])));
    return "continue";
  }

  onResponseHeaders(_headers: HeaderMap, end: boolean): Verdict {
    return end ? "continue" : "stop";
  }

  onResponseData(_chunk: Buffer, end: boolean): Verdict {
    return end ? "continue" : "stop";
  }

  onResponseTrailers(trailers: HeaderMap): Verdict {
    const headers = this.#stream.responseHeaders!;
    const status = trailers.getId(GRPC_STATUS);
    if (status !== undefined) {
      if (status !== "0") headers.status = this.#stream.info.responseCode = 503;
      headers.setId(GRPC_STATUS, status);
    }
    const message = trailers.getId(GRPC_MESSAGE);
    if (message !== undefined) headers.setId(GRPC_MESSAGE, message);
    const body = this.#stream.takeResponseBody();
    const bare = this.#framing ? body.subarray(FRAME_PREFIX) : body;
    headers.setId(CONTENT_LENGTH, String(bare.length));
    this.#stream.replaceResponseData(bare.length === 0 ? EMPTY : bare);
    return "continue";
  }
}
