import { Hono } from "hono";
import type { Context } from "hono";
import { z } from "zod";
import { ConfigError } from "../../base/load-config.ts";
import type { Configuration } from "./configuration.ts";
import type { DeploymentController } from "../deployments/deployment-controller.ts";
import { sharesOf, type Deployment } from "../deployments/deployment.ts";
import { userOf } from "../api-access.ts";
import type { Catalog } from "../model.ts";
import { policyChanges } from "../policy/policy-changes.ts";
import { StoreUnavailable, type Revision } from "../store/revision-store.ts";
import type { NodeIdentity } from "../views/view.ts";

export interface ConfigurationApiParts {
  readonly configuration: Configuration;
  readonly deployments: DeploymentController;
  readonly catalog: () => Catalog;
  readonly nodes: () => readonly NodeIdentity[];
}

const deployRequest = z.strictObject({
  to: z.string().min(1),
  steps: z.array(z.number().min(0).max(100)).min(1).default([5, 25, 50, 100]),
  interval_ms: z.int().min(1).max(86_400_000).default(60_000),
  criteria: z
    .strictObject({
      min_success_percent: z.number().min(0).max(100).optional(),
      max_latency_factor: z.number().min(1).optional(),
      min_requests: z.int().min(1).optional(),
    })
    .default({}),
});

const HISTORY = 50;

/** What is in force, how it came to be, and changing it. */
export function configurationApi(parts: ConfigurationApiParts): Hono {
  const { configuration, deployments } = parts;
  const api = new Hono();
  api.get("/v1/policy", (context) =>
    context.json({
      revision: configuration.revision,
      policy: configuration.policy,
      history_trouble: configuration.store.trouble,
    }),
  );
  api.post("/v1/policy/diff", async (context) =>
    answer(context, async () => {
      const after = configuration.preview(await context.req.text());
      return { changes: policyChanges(parts.catalog(), configuration.policy, after, parts.nodes()) };
    }),
  );
  api.get("/v1/revisions", async (context) => {
    const before = Number(context.req.query("before") ?? Number.MAX_SAFE_INTEGER);
    const limit = Number(context.req.query("limit") ?? HISTORY);
    return answer(context, async () => ({ revisions: await configuration.store.list(limit, before) }));
  });
  api.get("/v1/revisions/:number", async (context) => {
    const number = context.req.param("number");
    let found: Revision | undefined;
    const reply = await answer(
      context,
      async () => (found = await configuration.store.get(Number(number))) ?? {},
    );
    if (found !== undefined || !reply.ok) return reply;
    return context.json({ error: `There is no revision ${number}` }, 404);
  });
  api.post("/v1/revisions/:number/rollback", async (context) =>
    answer(context, async () => {
      const revision = await configuration.rollBack(Number(context.req.param("number")), userOf(context));
      return { revision: revision.number };
    }),
  );
  api.get("/v1/deployments", (context) =>
    context.json({
      deployments: Object.values(configuration.deployments).map((each) => show(each, deployments)),
    }),
  );
  api.post("/v1/deployments/:service", async (context) =>
    answer(context, async () => {
      const { to, steps, interval_ms: intervalMs, criteria } = deployRequest.parse(await context.req.json());
      const service = context.req.param("service");
      const request = { service, to, steps, intervalMs, criteria: present(criteria), by: userOf(context) };
      return show(await deployments.start(request), deployments);
    }),
  );
  for (const what of ["pause", "resume", "abort"] as const) {
    api.post(`/v1/deployments/:service/${what}`, async (context) =>
      answer(context, async () => {
        const service = context.req.param("service");
        await deployments[what](service, userOf(context));
        return show(configuration.deployments[service]!, deployments);
      }),
    );
  }
  return api;
}

function show(deployment: Deployment, controller: DeploymentController): object {
  return {
    ...deployment,
    shares: sharesOf(deployment),
    waits_for: controller.waitsFor(deployment.service),
  };
}

async function answer(context: Context, work: () => Promise<object>): Promise<Response> {
  try {
    return context.json(await work());
  } catch (error) {
    if (error instanceof z.ZodError) return context.json({ error: z.prettifyError(error) }, 400);
    if (error instanceof StoreUnavailable) return context.json({ error: error.message }, 503);
    const problems = error instanceof ConfigError ? { problems: error.problems } : {};
    return context.json({ error: (error as Error).message, ...problems }, 400);
  }
}

function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
