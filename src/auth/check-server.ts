import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { http } from "../base/node-http.ts";
import type { Logger } from "pino";
import { authorize } from "./authorize.ts";
import type { Authority, Decision } from "./authorize.ts";
import type { CheckCounts } from "./metrics.ts";
import { isTraceParent, newTraceParent } from "./trace-context.ts";

export interface CheckOptions {
  readonly pathPrefix: string;
  readonly realm: string;
  readonly traceSampled: boolean;
  readonly counts: CheckCounts;
  readonly log: Logger;
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
  options.counts[decision.result]++;
  if (decision.result === "allowed") return allow(request, response, decision, options.traceSampled);
  const { log } = options;
  if (log.isLevelEnabled("info")) {
    const user = decision.result === "forbidden" ? decision.identity?.user : undefined;
    const id = request.headers["x-request-id"];
    // Without the query: people put credentials there.
    log.info(
      {
        result: decision.result,
        reason: decision.reason,
        method: request.method,
        path: target.replace(/[?#].*/s, ""),
        id,
        user,
      },
      "refused",
    );
  }
  refuse(response, decision, options.realm);
}

/** What the upstream may believe is set here; what is not set is named for removal, so that no client's own header gets through. */
function allow(
  request: IncomingMessage,
  response: ServerResponse,
  { identity }: Extract<Decision, { result: "allowed" }>,
  sampled: boolean,
): void {
  const headers = ["content-length", "0"];
  const remove: string[] = [];
  if (identity === undefined) remove.push("x-user-id", "x-user-roles");
  else {
    headers.push("x-user-id", identity.user);
    if (identity.rolesHeader === "") remove.push("x-user-roles");
    else headers.push("x-user-roles", identity.rolesHeader);
  }
  const given = request.headers["traceparent"];
  if (typeof given === "string" && isTraceParent(given)) headers.push("traceparent", given);
  else {
    headers.push("traceparent", newTraceParent(sampled));
    // A state without its parent means nothing (W3C Trace Context, section 3.3).
    remove.push("tracestate");
  }
  const id = request.headers["x-request-id"];
  if (typeof id === "string") headers.push("x-request-id", id);
  if (remove.length > 0) headers.push("x-envoy-auth-headers-to-remove", remove.join(","));
  response.writeHead(200, headers);
  response.end();
}

/** RFC 6750, section 3: without credentials no error code. */
function refuse(
  response: ServerResponse,
  decision: Exclude<Decision, { result: "allowed" }>,
  realm: string,
): void {
  const challenge = `Bearer realm="${realm}"`;
  const described = `error_description="${decision.reason.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "")}"`;
  switch (decision.result) {
    case "missing":
      return send(response, 401, "unauthorized", decision.reason, challenge);
    case "invalid":
      return send(
        response,
        401,
        "invalid_token",
        decision.reason,
        `${challenge}, error="invalid_token", ${described}`,
      );
    case "forbidden":
      return send(
        response,
        403,
        "insufficient_scope",
        decision.reason,
        `${challenge}, error="insufficient_scope"`,
      );
    case "unavailable":
      return send(response, 503, "unavailable", decision.reason);
  }
}

function send(
  response: ServerResponse,
  status: number,
  error: string,
  message: string,
  challenge?: string,
): void {
  const body = JSON.stringify({ error, message });
  const headers = ["content-type", "application/json", "content-length", String(Buffer.byteLength(body))];
  if (challenge !== undefined) headers.push("www-authenticate", challenge);
  response.writeHead(status, headers);
  response.end(body);
}

function misdirected(response: ServerResponse, { counts, pathPrefix }: CheckOptions): void {
  counts.unavailable++;
  send(
    response,
    503,
    "unavailable",
    `this server decides about paths under ${pathPrefix}: set the proxy's path_prefix to it`,
  );
}

function stripPrefix(target: string, prefix: string): string | undefined {
  if (prefix === "") return target;
  return target.startsWith(prefix) ? target.slice(prefix.length) : undefined;
}
