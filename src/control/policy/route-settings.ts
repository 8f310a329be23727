// How requests go to a service: what becomes routes.
import { z } from "zod";
import {
  headerName,
  milliseconds,
  nameGlob,
  percent,
  regex,
  section,
  serviceName,
  version,
} from "./fields.ts";

const RETRY_WORDS: ReadonlySet<string> = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
]);

/** Envoy's words for what is retried, with commas between. */
export const retryWords = z
  .string()
  .refine(
    (text) => text.split(",").every((word) => RETRY_WORDS.has(word.trim())),
    `must be of ${[...RETRY_WORDS].join(", ")}, with commas between`,
  );

const weight = z.int().min(0).max(1_000_000);

/** Shares of the versions of a service; they need not add up to 100. */
export const split = z
  .record(version, weight)
  .refine((all) => Object.values(all).some((each) => each > 0), "needs a version with a weight above 0");

/** A text stands for itself. */
const valueMatch = z.preprocess(
  (value) => (typeof value === "string" ? { exact: value } : value),
  z
    .strictObject({
      exact: z.string().optional(),
      prefix: z.string().min(1).optional(),
      suffix: z.string().min(1).optional(),
      contains: z.string().min(1).optional(),
      regex: regex.optional(),
      present: z.boolean().optional(),
    })
    .refine(
      (match) => Object.keys(match).length === 1,
      "needs one of exact, prefix, suffix, contains, regex and present",
    ),
);

export type ValueMatch = z.infer<typeof valueMatch>;

/** Which requests; all conditions that are given must hold. */
export const matchFields = {
  /** Everything below this path: "/users" covers /users and /users/1, not /usersx. */
  prefix: z.string().startsWith("/").optional(),
  /** Exactly this path. */
  path: z.string().startsWith("/").optional(),
  /** The whole path, in RE2's syntax. */
  regex: regex.optional(),
  methods: z
    .array(z.string().regex(/^[A-Z]+$/, "must be a method such as GET"))
    .min(1)
    .optional(),
  headers: z.record(headerName, valueMatch).optional(),
  cookies: z.record(z.string().regex(/^[\w.-]+$/, "must be the name of a cookie"), valueMatch).optional(),
  query: z.record(z.string().min(1), valueMatch).optional(),
} as const;

const mutations = section({
  set: z.record(headerName, z.string()).optional(),
  add: z.record(headerName, z.string()).optional(),
  remove: z.array(headerName).optional(),
});

/** What services have in general and a route may have differently. */
export const actionFields = {
  /** From the end of the request to the end of the response, retries included; 0 = no limit. */
  timeout_ms: z.int().min(0).max(3_600_000).optional(),
  /** How long nothing may move in either direction. */
  idle_timeout_ms: milliseconds.optional(),
  retries: section({
    on: retryWords.optional(),
    attempts: z.int().min(0).max(10).optional(),
    per_try_timeout_ms: milliseconds.optional(),
    /** With "retriable-status-codes" in `on`. */
    statuses: z.array(z.int().min(100).max(599)).min(1).optional(),
    backoff_ms: milliseconds.optional(),
    max_backoff_ms: milliseconds.optional(),
  }),
  /** A copy of the requests goes here, too; its responses are thrown away. */
  mirror: section({
    service: serviceName.optional(),
    version: version.optional(),
    percent: percent.optional(),
  }),
  fault: section({
    delay_ms: milliseconds.optional(),
    delay_percent: percent.optional(),
    abort_status: z.int().min(200).max(599).optional(),
    abort_percent: percent.optional(),
  }),
  /** Each proxy counts for itself. */
  rate_limit: section({
    requests: z.int().min(1).max(4_294_967_295).optional(),
    per_ms: z.int().min(50).max(3_600_000).optional(),
    burst: z.int().min(1).max(4_294_967_295).optional(),
  }),
  /** Let connections become WebSocket ones. */
  websocket: z.boolean().optional(),
  request_headers: mutations,
  response_headers: mutations,
} as const;

/** To which instances of the service. */
export const targetFields = {
  version: version.optional(),
  split: split.optional(),
  /** Only instances with these labels; needs `balance.subsets`. */
  subset: z.record(z.string().min(1), z.string()).optional(),
} as const;

/** Patches in Envoy's own terms. Their content is checked against Envoy's API, see envoy-patches.ts. */
export const patch = z.record(z.string(), z.unknown()).optional();

/** A special case among the requests to a service. */
export const serviceRoute = z
  .strictObject({
    ...matchFields,
    ...targetFields,
    ...actionFields,
    envoy: z.strictObject({ route: patch }).optional(),
  })
  .superRefine(oneTarget)
  .refine(({ prefix, path, regex }) => [prefix, path, regex].filter((p) => p !== undefined).length <= 1, {
    error: "takes one of prefix, path and regex",
  });

export type ServiceRoute = z.infer<typeof serviceRoute>;

/** Who may call: services by name, and views such as "edge". */
export const callers = z.array(nameGlob);

export function oneTarget(
  value: { version?: unknown; split?: unknown; subset?: unknown },
  context: z.RefinementCtx,
): void {
  const given = (["version", "split", "subset"] as const).filter((key) => value[key] !== undefined);
  if (given.length < 2) return;
  context.addIssue({ code: "custom", path: [given[1]!], message: `takes one of ${given.join(" and ")}` });
}
