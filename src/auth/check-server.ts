import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { http } from "../base/node-http.ts";
import { answerOf, refusal, type Answer, type AnswerOptions } from "./answer.ts";
import { authorize } from "./authorize.ts";
import type { Authority, Decision } from "./authorize.ts";

export interface CheckOptions extends AnswerOptions {
  readonly pathPrefix: string;
}

/**
 * The server that proxies ask, as Envoy's ext_authz does over HTTP: each request has the method and path of the one to decide
 * about. 200 allows it and brings headers for the upstream, 401 and 403 refuse it, 503 says that no decision can be had.
 */
export function createCheckServer(authority: Authority, options: CheckOptions): Server {
  const server = http.createServer((request, response) => {
    const target = stripPrefix(request.url ?? "", options.pathPrefix);
    if (target === undefined) return misdirected(response, options);
    const decision = authorize(authority, request.method ?? "", target, request.headers.authorization);
    if (!(decision instanceof Promise)) return answer(request, response, target, decision, options);
    decision.then(
      (later) => answer(request, response, target, later, options),
      (error: unknown) => {
        options.log.error({ error: String(error) }, "a check failed");
        answer(request, response, target, { result: "unavailable", reason: "internal error" }, options);
      },
    );
  });
  // A proxy keeps its connections: one that is closed as its next request is on the way costs that request.
  server.keepAliveTimeout = 0;
  return server;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
  decision: Decision,
  options: CheckOptions,
): void {
  const checked = {
    method: request.method ?? "",
    target,
    traceparent: only(request.headers["traceparent"]),
    requestId: only(request.headers["x-request-id"]),
  };
  send(response, answerOf(decision, checked, options));
}

function send(response: ServerResponse, { status, headers, remove, body }: Answer): void {
  const all = [...headers.flat(), "content-length", String(Buffer.byteLength(body))];
  if (remove.length > 0) all.push("x-envoy-auth-headers-to-remove", remove.join(","));
  response.writeHead(status, all);
  response.end(body);
}

function misdirected(response: ServerResponse, { counts, pathPrefix }: CheckOptions): void {
  counts.unavailable++;
  const text = `this server decides about paths under ${pathPrefix}: set the proxy's path_prefix to it`;
  send(response, refusal(503, "unavailable", text));
}

function stripPrefix(target: string, prefix: string): string | undefined {
  if (prefix === "") return target;
  return target.startsWith(prefix) ? target.slice(prefix.length) : undefined;
}

function only(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
