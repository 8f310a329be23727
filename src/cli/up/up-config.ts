import { z } from "zod";
import { edgeRoutes } from "../../control/policy/edge-route.ts";
import { meshPolicySchema } from "../../control/policy/mesh-policy.ts";
import { referenceProblems } from "../../control/policy/reference-problems.ts";

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be a name of a-z, 0-9 and -");
const address = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[\d.]+):\d{1,5}$/, "must be IP:PORT");

const service = z
  .strictObject({
    /** Program and arguments of one instance; gets PORT to listen on and WEFT_SIDECAR to call others through. */
    command: z.array(z.string()).min(1).optional(),
    instances: z.int().min(1).max(100).default(1),
    env: z.record(z.string(), z.string()).default({}),
    /** Where it runs already; no sidecar is put beside it. */
    addresses: z.array(address).min(1).optional(),
    lease_seconds: z.int().min(1).max(86_400).default(30),
    restart: z.enum(["never", "always"]).default("never"),
    version: z.string().default(""),
  })
  .refine(
    (value) => (value.command === undefined) !== (value.addresses === undefined),
    "needs either command or addresses",
  );

const { sidecar, retries, ...more } = meshPolicySchema.shape;

/** The rest of the mesh policy: what is not said elsewhere in the file. */
const policy = z
  .strictObject({
    defaults: more.defaults,
    templates: more.templates,
    services: more.services,
    connect_timeout_ms: more.connect_timeout_ms,
    access_log: more.access_log,
  })
  .prefault({});

/** `weft.yaml`: a whole mesh on this machine. */
export const upConfigSchema = z
  .strictObject({
    edge: z
      .strictObject({ host: z.string().default("127.0.0.1"), port: z.int().min(0).max(65_535).default(8080) })
      .prefault({}),
    services: z.record(name, service),
    routes: edgeRoutes,
    auth: z
      .strictObject({
        enabled: z.boolean().default(true),
        timeout_ms: z.int().min(1).default(500),
        failure_mode: z.enum(["deny", "allow"]).default("deny"),
        /** Rules of the auth service, first match wins; see `weft auth --policy`. */
        rules: z.array(z.record(z.string(), z.unknown())).default([]),
      })
      .prefault({}),
    sidecar,
    retries,
    policy,
  })
  .superRefine((config, context) => {
    const whole = meshPolicySchema.safeParse({ edge: { routes: config.routes }, ...config.policy });
    for (const { path, message } of whole.success ? referenceProblems(whole.data) : []) {
      const here = path[0] === "edge" ? path.slice(1) : ["policy", ...path];
      context.addIssue({ code: "custom", path: here, message });
    }
    config.routes.forEach((route, i) => {
      if (config.services[route.service] !== undefined) return;
      const known = Object.keys(config.services).join(", ") || "none";
      const message = `there is no service "${route.service}" (services: ${known})`;
      context.addIssue({ code: "custom", path: ["routes", i, "service"], message });
    });
  });

export type UpConfig = z.infer<typeof upConfigSchema>;
