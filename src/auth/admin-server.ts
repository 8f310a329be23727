import type { Server, ServerResponse } from "node:http";
import { http } from "../base/node-http.ts";
import type { TextMetrics } from "../base/text-metrics.ts";

export interface AdminActions {
  isReady(): boolean;
  /** Ends the reader of the token store; another takes its place. */
  restartReader(): Promise<void>;
}

/** Health, readiness and metrics, on a port of their own. */
export function createAdminServer(metrics: TextMetrics, actions: AdminActions): Server {
  return http.createServer((request, response) => {
    const path = (request.url ?? "").replace(/\?.*/s, "");
    if (path === "/reader/restart" && request.method === "POST") {
      return void actions.restartReader().then(() => send(response, 202, "the reader is replaced\n"));
    }
    if (request.method !== "GET" && request.method !== "HEAD") return send(response, 405, "only GET\n");
    if (path === "/healthz") return send(response, 200, "ok\n");
    if (path === "/readyz")
      return actions.isReady() ? send(response, 200, "ready\n") : send(response, 503, "not ready\n");
    if (path === "/metrics")
      return send(response, 200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8");
    send(response, 404, "there are /healthz, /readyz, /metrics and POST /reader/restart\n");
  });
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
