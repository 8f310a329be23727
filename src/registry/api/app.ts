import { Hono } from "hono";
import type { Context } from "hono";
import type { Logger } from "pino";
import { bearerCredentials } from "../../base/bearer-token.ts";
import type { RegistryMetrics } from "../metrics.ts";
import { Refusal } from "../refusal.ts";
import type { WriteTokens } from "../write-tokens.ts";
import type { Operation } from "./operation.ts";

export interface AppOptions {
  readonly tokens: WriteTokens;
  /** Whether reads need a token, too. */
  readonly readTokens: boolean;
  readonly metrics: RegistryMetrics;
  readonly log: Logger;
}

/** The operations as one application: routes, tokens, errors, counts. */
export function registryApp(operations: readonly Operation[], options: AppOptions): Hono {
  const app = new Hono();
  const { metrics } = options;
  for (const operation of operations) {
    app.on(operation.method, operation.path, async (context) => {
      const response = await answer(operation, context, options);
      metrics.requests.add(1, { operation: operation.id, status: String(response.status) });
      return response;
    });
  }
  app.notFound((context) => {
    metrics.requests.add(1, { operation: "none", status: "404" });
    return context.json(
      { error: `there is no ${context.req.method} ${context.req.path}; see /openapi.json` },
      404,
    );
  });
  return app;
}

async function answer(operation: Operation, context: Context, options: AppOptions): Promise<Response> {
  try {
    checkToken(operation, context, options);
    return await operation.handle(context);
  } catch (error) {
    if (error instanceof Refusal) return refuse(context, error);
    options.log.error({ operation: operation.id, error }, "a request failed");
    return context.json({ error: "internal error" }, 500);
  }
}

function checkToken(
  operation: Operation,
  context: Context,
  { tokens, readTokens, metrics }: AppOptions,
): void {
  if (operation.access === "open" || (operation.access === "read" && !readTokens) || tokens.size === 0)
    return;
  const token = bearerCredentials(context.req.header("authorization"));
  if (token !== undefined && tokens.accepts(token)) return;
  metrics.denied.add();
  throw new Refusal(
    401,
    token === undefined ? "this needs a token: Authorization: Bearer …" : "this token is not valid",
  );
}

function refuse(context: Context, refusal: Refusal): Response {
  if (refusal.status === 401) context.header("www-authenticate", 'Bearer realm="weft registry"');
  const { message: error, field, allowed } = refusal;
  return context.json({ error, field, allowed }, refusal.status);
}
