import { isGrpcContentType } from "../../grpc/content-type.ts";
import { encodeGrpcMessage } from "../../grpc/status.ts";
import { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { LocalReply, StreamInfo } from "../api.ts";
import type { LocalReplies } from "./local-reply-config.ts";

const CONTENT_LENGTH = knownHeaderId("content-length");
const CONTENT_TYPE = knownHeaderId("content-type");
const GRPC_STATUS = knownHeaderId("grpc-status");
const GRPC_MESSAGE = knownHeaderId("grpc-message");

/** grpc-status for HTTP statuses that have one of their own; 2 (unknown) for others. */
const GRPC_STATUSES: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 }; // prettier-ignore

/** A reply as the client gets it. */
export interface ComposedReply {
  /** Its receiver owns them. */
  readonly headers: HeaderMap;
  readonly body: Buffer | undefined;
}

/** Puts a reply into the configured form, or into that of gRPC if the request is one. */
export function composeReply(
  reply: LocalReply,
  request: HeaderMap | undefined,
  info: StreamInfo,
  configured: LocalReplies | undefined,
): ComposedReply {
  let { body = "", status } = reply;
  let contentType = "text/plain";
  let extra = reply.headers;
  if (configured !== undefined) {
    const rewritten = configured.rewrite(info);
    ({ body, status, contentType } = rewritten);
    extra = [...(extra ?? []), ...rewritten.headers];
  }
  const shaped: LocalReply = { ...reply, status, body, headers: extra };
  if (info.grpc ?? isGrpcRequest(request)) return { headers: grpcReplyHeaders(shaped), body: undefined };
  const bytes = body === "" ? undefined : Buffer.from(body, "utf8");
  return { headers: localReplyHeaders(shaped, bytes, contentType), body: bytes };
}

/** Whether the request is a gRPC one, whose replies carry their status in grpc-status. */
function isGrpcRequest(request: HeaderMap | undefined): boolean {
  return isGrpcContentType(request?.getId(CONTENT_TYPE));
}

/** Head of a reply whose body is `body`: the reply's headers, content-length, content-type. */
function localReplyHeaders(reply: LocalReply, body: Buffer | undefined, contentType: string): HeaderMap {
  const headers = HeaderMap.acquire();
  headers.status = reply.status;
  if (reply.headers !== undefined) for (const [name, value] of reply.headers) headers.add(name, value);
  reply.modify?.(headers);
  if (body === undefined) {
    // The codec writes a length of 0 behind everything else.
    headers.removeId(CONTENT_LENGTH);
    return headers;
  }
  headers.setId(CONTENT_LENGTH, String(body.length));
  if (!headers.hasId(CONTENT_TYPE)) headers.addId(CONTENT_TYPE, contentType);
  return headers;
}

/** Head of a reply to a gRPC client: 200, and the status in headers only (trailers-only response). */
function grpcReplyHeaders(reply: LocalReply): HeaderMap {
  const headers = HeaderMap.acquire();
  headers.status = 200;
  if (reply.headers !== undefined) for (const [name, value] of reply.headers) headers.add(name, value);
  reply.modify?.(headers);
  headers.setId(CONTENT_TYPE, "application/grpc");
  headers.setId(GRPC_STATUS, String(reply.grpcStatus ?? GRPC_STATUSES[reply.status] ?? 2));
  if (reply.body !== undefined && reply.body !== "")
    headers.setId(GRPC_MESSAGE, encodeGrpcMessage(reply.body));
  return headers;
}
