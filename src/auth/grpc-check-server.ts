import { GrpcError } from "../grpc/grpc-error.ts";
import { GrpcServer } from "../grpc/server.ts";
import { GRPC_STATUS } from "../grpc/status.ts";
import { unaryMethod } from "../grpc/unary-method.ts";
import { create, decode, encode, type MessageOf } from "../proto/registry.ts";
import { answerOf, type Answer, type AnswerOptions } from "./answer.ts";
import { authorize, type Authority, type Decision } from "./authorize.ts";

const METHOD = "/envoy.service.auth.v3.Authorization/Check";
const CHECK_RESPONSE = "envoy.service.auth.v3.CheckResponse";

type HttpRequest = MessageOf<"envoy.service.auth.v3.AttributeContext.HttpRequest">;

/**
 * The server that proxies ask over gRPC, as Envoy's ext_authz does with grpc_service. Where no decision can be had the call
 * fails with UNAVAILABLE: the proxy then does what it is told to do without an answer.
 */
export function createGrpcCheckServer(authority: Authority, options: AnswerOptions): GrpcServer {
  const server = new GrpcServer();
  server.register(
    METHOD,
    unaryMethod((bytes) => {
      const http = decode("envoy.service.auth.v3.CheckRequest", bytes).attributes?.request?.http;
      if (http === undefined)
        throw new GrpcError({
          code: GRPC_STATUS.invalidArgument,
          message: "the check has no attributes.request.http: only HTTP requests are decided about",
        });
      const decision = authorize(authority, http.method, http.path, headerOf(http, "authorization"));
      if (!(decision instanceof Promise)) return respond(http, decision, options);
      return decision.then(
        (later) => respond(http, later, options),
        (error: unknown) => {
          options.log.error({ error: String(error) }, "a check failed");
          return respond(http, { result: "unavailable", reason: "internal error" }, options);
        },
      );
    }),
  );
  return server;
}

function respond(http: HttpRequest, decision: Decision, options: AnswerOptions): Uint8Array {
  const checked = {
    method: http.method,
    target: http.path,
    traceparent: headerOf(http, "traceparent"),
    requestId: headerOf(http, "x-request-id"),
  };
  const answer = answerOf(decision, checked, options);
  if (answer.status === 503) throw new GrpcError({ code: GRPC_STATUS.unavailable, message: decision.reason });
  return encode(CHECK_RESPONSE, answer.status === 200 ? allow(answer, decision) : refuse(answer));
}

function allow({ headers, remove }: Answer, decision: Decision): MessageOf<typeof CHECK_RESPONSE> {
  const identity = decision.result === "allowed" ? decision.identity : undefined;
  return create(CHECK_RESPONSE, {
    status: { code: GRPC_STATUS.ok },
    httpResponse: {
      case: "okResponse",
      value: { headers: headers.map(option), headersToRemove: [...remove] },
    },
    ...(identity !== undefined && { dynamicMetadata: { user: identity.user, roles: identity.rolesHeader } }),
  });
}

function refuse({ status, headers, body }: Answer): MessageOf<typeof CHECK_RESPONSE> {
  const code = status === 401 ? GRPC_STATUS.unauthenticated : GRPC_STATUS.permissionDenied;
  return create(CHECK_RESPONSE, {
    status: { code },
    httpResponse: {
      case: "deniedResponse",
      value: { status: { code: status as never }, headers: headers.map(option), body },
    },
  });
}

const OVERWRITE_IF_EXISTS_OR_ADD = 2;

function option([key, value]: readonly [string, string]) {
  return { header: { key, value }, appendAction: OVERWRITE_IF_EXISTS_OR_ADD };
}

/** A header of the request to decide about, told as a map or, with encode_raw_headers, as a list. */
function headerOf({ headers, headerMap }: HttpRequest, name: string): string | undefined {
  const found = headers[name];
  if (found !== undefined || headerMap === undefined) return found;
  const raw = headerMap.headers.filter(({ key }) => key === name);
  // What comes twice is as good as nothing: nobody can tell which one the upstream would take.
  return raw.length === 1 ? raw[0]!.value || Buffer.from(raw[0]!.rawValue).toString("latin1") : undefined;
}
