import { isGrpcContentType } from "../../grpc/content-type.ts";
import { encodeGrpcMessage, statusOfHttp } from "../../grpc/status.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Clusters, FilterStream, HttpFilter, HttpFilterDef, Verdict } from "../../proxy/api.ts";
import { Base64Reader } from "./grpc/base64-reader.ts";
import { FrameSplitter } from "./grpc/frame-splitter.ts";
import { countGrpcStatus, grpcMethod, routeClusterStats } from "./grpc/method-stats.ts";

const CONTENT_TYPE = knownHeaderId("content-type");
const CONTENT_LENGTH = knownHeaderId("content-length");
const ACCEPT = knownHeaderId("accept");
const TE = knownHeaderId("te");
const ACCEPT_ENCODING = knownHeaderId("grpc-accept-encoding");
const GRPC_STATUS = knownHeaderId("grpc-status");
const GRPC_MESSAGE = knownHeaderId("grpc-message");

const BINARY = new Set(["application/grpc-web", "application/grpc-web+proto"]);
const TEXT = new Set(["application/grpc-web-text", "application/grpc-web-text+proto"]);
/** Flags of the frame that holds the trailers. */
const TRAILERS_FRAME = 0x80;
const EMPTY = Buffer.alloc(0);

/** gRPC for browsers: gRPC-Web (PROTOCOL-WEB.md) with clients, gRPC with the upstream. */
export const grpcWeb: HttpFilterDef<"envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"> = {
  name: "envoy.filters.http.grpc_web",
  config: "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
  ledger: { "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb": "all" },
  create: (_config, { clusters }) => {
    return (stream) => {
      const type = stream.requestHeaders.getId(CONTENT_TYPE);
      if (type === undefined || !(BINARY.has(type) || TEXT.has(type))) return undefined;
      return new GrpcWebFilter(stream, clusters, TEXT.has(type));
    };
  },
};

class GrpcWebFilter implements HttpFilter {
  readonly #stream: FilterStream;
  readonly #clusters: Clusters;
  /** Undefined for binary requests. */
  readonly #request: Base64Reader | undefined;
  /** Undefined for binary responses. */
  #response: FrameSplitter | undefined;
  /** What an upstream says that does not speak gRPC; undefined if it does. */
  #words: Buffer[] | undefined;

  constructor(stream: FilterStream, clusters: Clusters, text: boolean) {
    this.#stream = stream;
    this.#clusters = clusters;
    this.#request = text ? new Base64Reader() : undefined;
  }

  onRequestHeaders(headers: HeaderMap): Verdict {
    this.#stream.info.grpc = false;
    if (TEXT.has(headers.getId(ACCEPT) ?? "")) this.#response = new FrameSplitter();
    headers.removeId(CONTENT_LENGTH);
    headers.setId(CONTENT_TYPE, "application/grpc");
    headers.setId(TE, "trailers");
    headers.setId(ACCEPT_ENCODING, "identity");
    return "continue";
  }

  onRequestData(chunk: Buffer, end: boolean): Verdict {
    if (this.#request === undefined) return "continue";
    const decoded = this.#request.push(chunk, end);
    if (decoded !== undefined) {
      this.#stream.replaceRequestData(decoded);
      return "continue";
    }
    this.#stream.sendLocalReply({
      status: 400,
      body: "Bad gRPC-web request, invalid base64 data.",
      details: "grpc_base_64_decode_failed",
      close: true,
    });
    return "stop";
  }

  onResponseHeaders(headers: HeaderMap, end: boolean): Verdict {
    const type = headers.getId(CONTENT_TYPE);
    this.#count(headers);
    headers.setId(
      CONTENT_TYPE,
      this.#response === undefined ? "application/grpc-web+proto" : "application/grpc-web-text+proto",
    );
    if (end) return "continue";
    headers.removeId(CONTENT_LENGTH);
    if (isGrpcContentType(type) || BINARY.has(type ?? "")) return "continue";
    this.#words = [];
    return "stop";
  }

  onResponseData(chunk: Buffer, end: boolean): Verdict {
    const stream = this.#stream;
    if (this.#words !== undefined) {
      this.#words.push(Buffer.from(chunk));
      stream.replaceResponseData(EMPTY);
      if (!end) return "stop";
      this.#tell(stream.responseHeaders!, Buffer.concat(this.#words));
      return "continue";
    }
    if (this.#response !== undefined) {
      const frames = this.#response.push(chunk);
      stream.replaceResponseData(Buffer.from(frames.map((frame) => frame.toString("base64")).join("")));
    }
    return "continue";
  }

  onResponseTrailers(trailers: HeaderMap): Verdict {
    this.#count(trailers);
    if (this.#words !== undefined) this.#tell(this.#stream.responseHeaders!, Buffer.concat(this.#words));
    else {
      const frame = trailersFrame(trailers);
      this.#stream.replaceResponseData(
        this.#response === undefined ? frame : Buffer.from(frame.toString("base64")),
      );
    }
    // They are body now; logs see the response as the client does.
    trailers.clear();
    return "continue";
  }

  /** The body of a response that is not gRPC becomes its message. */
  #tell(headers: HeaderMap, body: Buffer): void {
    const text = body.subarray(0, this.#stream.bufferLimit);
    headers.setId(GRPC_MESSAGE, encodeGrpcMessage(text));
    if (!headers.hasId(GRPC_STATUS)) headers.setId(GRPC_STATUS, String(statusOfHttp(headers.status)));
    headers.setId(CONTENT_LENGTH, "0");
  }

  #count(head: HeaderMap): void {
    const called = grpcMethod(this.#stream.requestHeaders.path);
    const scope = routeClusterStats(this.#stream, this.#clusters);
    if (called !== undefined && scope !== undefined)
      countGrpcStatus(scope, `grpc-web.${called.service}.${called.method}.`, head);
  }
}

function trailersFrame(trailers: HeaderMap): Buffer {
  let text = "";
  trailers.forEach((name, value) => (text += `${name}:${value}\r\n`));
  const frame = Buffer.alloc(5 + text.length);
  frame[0] = TRAILERS_FRAME;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, 5, "latin1");
  return frame;
}
