// How proxies reach the instances of a service: what becomes the service's cluster.
import { z } from "zod";
import { headerName, milliseconds, percent, section } from "./fields.ts";

const count = z.int().min(0).max(4_294_967_295);

const hash = z
  .strictObject({
    header: headerName.optional(),
    cookie: z.string().min(1).optional(),
    /** Proxies set the cookie themselves when it is missing; without it, such requests go anywhere. */
    cookie_ttl_ms: milliseconds.optional(),
    query: z.string().min(1).optional(),
    source_ip: z.literal(true).optional(),
  })
  .refine(
    ({ header, cookie, query, source_ip: ip }) =>
      [header, cookie, query, ip].filter((each) => each !== undefined).length === 1,
    "needs one of header, cookie, query and source_ip",
  );

const range = z.string().regex(/^\d{3}(-\d{3})?$/, 'must be a status or a range such as "200-299"');

export const upstreamFields = {
  /** What the instances speak; `auto` is what the caller speaks, or with TLS what they agree on. */
  protocol: z.enum(["http1", "http2", "grpc", "tcp", "auto"]).optional(),
  connect_timeout_ms: milliseconds.optional(),
  /** How long a connection to an instance may be without requests. */
  connection_idle_ms: milliseconds.optional(),
  health_check: section({
    /** Default: grpc and tcp for services of these protocols, else http. */
    kind: z.enum(["http", "grpc", "tcp"]).optional(),
    path: z.string().startsWith("/").optional(),
    host: z.string().min(1).optional(),
    statuses: z.array(range).min(1).optional(),
    /** The service to ask a gRPC health server about. */
    grpc_service: z.string().optional(),
    interval_ms: milliseconds.optional(),
    timeout_ms: milliseconds.optional(),
    healthy_after: z.int().min(1).max(100).optional(),
    unhealthy_after: z.int().min(1).max(100).optional(),
  }),
  outlier: section({
    consecutive_5xx: count.optional(),
    consecutive_gateway_failures: count.optional(),
    interval_ms: milliseconds.optional(),
    ejection_ms: milliseconds.optional(),
    max_ejected_percent: percent.optional(),
    /** Eject instances whose success rate is far below that of the others. */
    success_rate: z.boolean().optional(),
  }),
  /** Circuit breakers, for each proxy. */
  limits: section({
    connections: count.optional(),
    pending: count.optional(),
    requests: count.optional(),
    retries: count.optional(),
  }),
  balance: section({
    policy: z.enum(["round_robin", "least_request", "random", "ring_hash", "maglev"]).optional(),
    /** least_request: of how many instances the least busy one is taken. */
    choices: z.int().min(2).max(100).optional(),
    /** ring_hash and maglev: what requests of one instance have in common; the first that a request has counts. */
    hash: z.array(hash).min(1).optional(),
    /** How much new instances get at first grows over this time. */
    slow_start_ms: milliseconds.optional(),
    /** Below this share of healthy instances all of them are used. */
    panic_percent: percent.optional(),
    /**
     * failover: own zone, then own region, then others. weighted: by the weights of localities. zone_aware: own zone as far
     * as it can take it. none: all alike.
     */
    locality: z.enum(["none", "failover", "weighted", "zone_aware"]).optional(),
    /** Labels by which routes may pick a subset: each list is one kind of subset. */
    subsets: z
      .array(z.array(z.string().min(1)).min(1))
      .min(1)
      .optional(),
    /** Who takes requests for a subset without instances, or for none: any instance, or none. */
    subset_fallback: z.enum(["any", "none"]).optional(),
  }),
  tls: section({
    /** File of certificates to trust, on the machine of the proxy. */
    ca: z.string().min(1).optional(),
    /** Trust any certificate. */
    insecure: z.literal(true).optional(),
    /** The proxy's own certificate and key, for services that ask for one. */
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    sni: z.string().min(1).optional(),
    /** The certificate must have one of these names; "spiffe://…" and the like are URIs. */
    names: z.array(z.string().min(1)).min(1).optional(),
  }),
} as const;
