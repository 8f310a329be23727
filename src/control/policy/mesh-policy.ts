import { isIP } from "node:net";
import { z } from "zod";
import { SERVICE_NAME } from "../model.ts";

const milliseconds = (fallback: number) => z.int().min(1).max(3_600_000).default(fallback);
const serviceName = z.string().regex(SERVICE_NAME, "must be a service name");

/** `HOST:PORT`; names are for addresses to connect to, a listener needs an IP. */
const address = (what: "name" | "ip") =>
  z.string().refine(
    (text) => {
      const [, host = "", port = ""] = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(text) ?? [];
      if (host === "" || Number(port) > 65_535) return false;
      return what === "name" || isIP(host.replace(/^\[(.*)\]$/, "$1")) !== 0;
    },
    what === "name" ? "must be ADDRESS:PORT" : "must be IP:PORT",
  );

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

const RETRY_WORDS: ReadonlySet<string> = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "retriable-4xx",
  "refused-stream",
]);

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

/** First match wins, so a route after one that takes all its paths would never be used. */
const routes = z
  .array(route)
  .default([])
  .superRefine((list, context) => {
    list.forEach((later, i) => {
      const earlier = list.slice(0, i).find((each) => covers(each, later));
      if (earlier === undefined) return;
      const message = `never used: the earlier route ${earlier.path ?? earlier.prefix} to ${earlier.service} takes its paths; put the more specific one first`;
      context.addIssue({ code: "custom", path: [i, later.path === undefined ? "prefix" : "path"], message });
    });
  });

function covers(earlier: z.infer<typeof route>, later: z.infer<typeof route>): boolean {
  if (earlier.path !== undefined) return earlier.path === later.path;
  const prefix = earlier.prefix!.replace(/\/+$/, "");
  return `${later.path ?? later.prefix!.replace(/\/+$/, "")}/`.startsWith(`${prefix}/`);
}

const auth = z.strictObject({
  /** Where the auth service listens. */
  address: address("name"),
  timeout_ms: milliseconds(500),
  /** What happens to requests while the auth service cannot be asked. */
  failure_mode: z.enum(["deny", "allow"]).default("deny"),
});

/** What the proxies of the mesh are to do; `--mesh FILE` of the control plane. */
export const meshPolicySchema = z.strictObject({
  edge: z
    .strictObject({
      listen: address("ip").default("127.0.0.1:8080"),
      routes,
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
        .refine((name) => !UNUSABLE_HEADERS.has(name), "cannot name a service: HTTP itself uses this header")
        .default("host"),
      timeout_ms: milliseconds(15_000),
    })
    .prefault({}),
  retries: z
    .strictObject({
      /** Envoy's words for what is retried, with commas between. */
      on: z
        .string()
        .refine(
          (text) => text.split(",").every((word) => RETRY_WORDS.has(word.trim())),
          `must be of ${[...RETRY_WORDS].join(", ")}, with commas between`,
        )
        .default("connect-failure,refused-stream,gateway-error"),
      attempts: z.int().min(0).max(10).default(2),
    })
    .prefault({}),
  connect_timeout_ms: milliseconds(1000),
  /** Where proxies write their access log: "stdout", a file path, or "off". */
  access_log: z
    .string()
    .regex(/^(stdout|off|.*\/.*)$/, 'must be "stdout", "off" or a path with a slash in it')
    .default("stdout"),
  /** View for nodes that no rule knows: "edge", "sidecar", or "none" to refuse them. */
  default_view: z.enum(["edge", "sidecar", "none"]).default("none"),
});

export type MeshPolicy = z.infer<typeof meshPolicySchema>;

/** A policy with every default. */
export function defaultMeshPolicy(): MeshPolicy {
  return meshPolicySchema.parse({});
}
