// Which nodes there are, and what each kind of them gets.
import { z } from "zod";
import { edgeRoutes } from "./edge-route.ts";
import { address, milliseconds, nameGlob, serviceName } from "./fields.ts";
import { patch } from "./route-settings.ts";

/** Headers that say how a message travels, not where to. */
const UNUSABLE_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const suffix = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i, "must be a domain name");

const suffixes = z.array(suffix).default([]);

const listenerPatches = z
  .strictObject({
    listener: patch,
    http_connection_manager: patch,
    /** Go before the router. */
    http_filters: z.array(z.record(z.string(), z.unknown())).optional(),
  })
  .optional();

const auth = z.strictObject({
  /** Where the auth service listens. */
  address: address("name"),
  timeout_ms: milliseconds.default(500),
  /** What happens to requests while the auth service cannot be asked. */
  failure_mode: z.enum(["deny", "allow"]).default("deny"),
});

export const edgeSettings = z.strictObject({
  listen: address("ip").default("127.0.0.1:8080"),
  routes: edgeRoutes,
  /** Every service by its name in the Host header, besides the routes. */
  hosts: z
    .strictObject({
      /** `users.SUFFIX` is `users`, too. */
      suffixes,
      /** Takes requests to any other host. */
      default: serviceName.optional(),
      /** `/users/…` on any other host goes to `users`, without the prefix. */
      paths: z.boolean().default(false),
    })
    .optional(),
  /** Listeners for services that speak tcp. */
  tcp: z.array(z.strictObject({ listen: address("ip"), service: serviceName })).default([]),
  auth: auth.optional(),
  /** Trusted proxies in front of the edge, such as a load balancer. */
  trusted_hops: z.int().min(0).max(16).default(0),
  envoy: listenerPatches,
});

export type EdgeSettings = z.infer<typeof edgeSettings>;

export const sidecarSettings = z.strictObject({
  /** The header by which an application names the service it calls; "host" or a header of its own. */
  target_header: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, "must be a lower-case header name")
    .refine((name) => !UNUSABLE_HEADERS.has(name), "cannot name a service: HTTP itself uses this header")
    .default("host"),
  timeout_ms: milliseconds.default(15_000),
  /** With target_header "host": `users.SUFFIX` is `users`, too. */
  suffixes,
  /** Of the services that the application may call, only these. */
  services: z.array(nameGlob).default(["*"]),
  envoy: listenerPatches,
});

export type SidecarSettings = z.infer<typeof sidecarSettings>;

const pattern = z.string().min(1);

/** Nodes of which all of this is true; in texts, `*` stands for any characters. */
const nodeMatch = z
  .strictObject({
    id: pattern.optional(),
    cluster: pattern.optional(),
    region: pattern.optional(),
    zone: pattern.optional(),
    metadata: z.record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()])).optional(),
  })
  .refine(
    (match) => Object.keys(match).length > 0,
    "needs at least one of id, cluster, region, zone, metadata",
  );

/** Views that there are without the policy naming them. */
export const BUILT_IN_VIEWS = ["edge", "sidecar", "grpc", "gateway"] as const;

/** A group of nodes with a view of its own. */
const nodeGroup = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be a name of a-z, 0-9 and -")
      .refine(
        (name) => !(BUILT_IN_VIEWS as readonly string[]).includes(name),
        "is the name of a built-in view",
      ),
    match: nodeMatch,
    edge: edgeSettings.optional(),
    sidecar: sidecarSettings.optional(),
    /** Why these nodes get nothing. */
    refuse: z.string().min(1).optional(),
  })
  .refine(
    ({ edge, sidecar, refuse }) => [edge, sidecar, refuse].filter((each) => each !== undefined).length === 1,
    "needs one of edge, sidecar and refuse",
  );

export type NodeGroup = z.infer<typeof nodeGroup>;

export const nodeGroups = z
  .array(nodeGroup)
  .default([])
  .superRefine((list, context) => {
    list.forEach(({ name }, i) => {
      if (list.findIndex((each) => each.name === name) < i)
        context.addIssue({ code: "custom", path: [i, "name"], message: `there are two views "${name}"` });
    });
  });
