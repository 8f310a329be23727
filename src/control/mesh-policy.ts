import { z } from "zod";

const milliseconds = (fallback: number) => z.int().min(1).max(3_600_000).default(fallback);
const serviceName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "must be a service name");
const address = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/, "must be ADDRESS:PORT");

const route = z
  .strictObject({
    /** Everything below this path: "/users" covers /users and /users/1, not /usersx. */
    prefix: z.string().startsWith("/").optional(),
    /** Exactly this path. */
    path: z.string().startsWith("/").optional(),
    service: serviceName,
    timeout_ms: milliseconds(15_000),
    /** What the prefix becomes on the way to the service; as it came when left out. */
    rewrite_prefix: z.string().startsWith("/").optional(),
  })
  .refine(
    (value) => (value.prefix === undefined) !== (value.path === undefined),
    "needs either prefix or path",
  );

const auth = z.strictObject({
  /** Where the auth service listens. */
  address,
  timeout_ms: milliseconds(500),
  /** What happens to requests while the auth service cannot be asked. */
  failure_mode: z.enum(["deny", "allow"]).default("deny"),
});

/** What the proxies of the mesh are to do; `--mesh FILE` of the control plane. */
export const meshPolicySchema = z.strictObject({
  edge: z
    .strictObject({
      listen: address.default("127.0.0.1:8080"),
      routes: z.array(route).default([]),
      auth: auth.optional(),
      /** Trusted proxies in front of the edge, such as a load balancer. */
      trusted_hops: z.int().min(0).max(16).default(0),
    })
    .prefault({}),
  sidecar: z
    .strictObject({
      /** The header by which an application names the service it calls; "host" or a header of its own. */
      target_header: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]*$/, "must be a lower-case header name")
        .default("host"),
      timeout_ms: milliseconds(15_000),
    })
    .prefault({}),
  retries: z
    .strictObject({
      on: z.string().default("connect-failure,refused-stream,gateway-error"),
      attempts: z.int().min(0).max(10).default(2),
    })
    .prefault({}),
  connect_timeout_ms: milliseconds(1000),
  /** Where proxies write their access log: "stdout", a file path, or "off". */
  access_log: z.string().default("stdout"),
  /** View for nodes that no rule knows: "edge", "sidecar", or "none" to refuse them. */
  default_view: z.enum(["edge", "sidecar", "none"]).default("none"),
});

export type MeshPolicy = z.infer<typeof meshPolicySchema>;

/** A policy with every default. */
export function defaultMeshPolicy(): MeshPolicy {
  return meshPolicySchema.parse({});
}
