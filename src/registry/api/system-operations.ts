import type { RegistryMetrics } from "../metrics.ts";
import type { Operation } from "./operation.ts";

/** Health, metrics and the API's own description. */
export function systemOperations(
  metrics: RegistryMetrics,
  isReady: () => boolean,
  describeApi: () => object | Promise<object>,
): Operation[] {
  return [
    {
      method: "GET",
      path: "/healthz",
      id: "health",
      summary: "Whether the process answers",
      access: "open",
      replies: { 200: "It does" },
      handle: (context) => context.text("ok\n"),
    },
    {
      method: "GET",
      path: "/readyz",
      id: "ready",
      summary: "Whether it can serve",
      access: "open",
      replies: { 200: "It can", 503: "It is starting or stopping" },
      handle: (context) => (isReady() ? context.text("ready\n") : context.text("not ready\n", 503)),
    },
    {
      method: "GET",
      path: "/healthcheck",
      id: "lyftHealth",
      summary: "lyft/discovery: whether the process answers",
      access: "open",
      replies: { 200: "OK" },
      handle: (context) => context.text("OK"),
    },
    {
      method: "GET",
      path: "/metrics",
      id: "metrics",
      summary: "Metrics in Prometheus' text format",
      access: "read",
      replies: { 200: "The metrics" },
      handle: async (context) =>
        context.body(await metrics.render(), 200, {
          "content-type": "text/plain; version=0.0.4; charset=utf-8",
        }),
    },
    {
      method: "GET",
      path: "/openapi.json",
      id: "openapi",
      summary: "This description",
      access: "open",
      replies: { 200: "An OpenAPI 3.1 document" },
      handle: async (context) => context.json(await describeApi()),
    },
  ];
}
