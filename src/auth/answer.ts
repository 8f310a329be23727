import type { Logger } from "pino";
import type { Decision } from "./authorize.ts";
import type { CheckCounts } from "./metrics.ts";
import { isTraceParent, newTraceParent } from "./trace-context.ts";

export interface AnswerOptions {
  readonly realm: string;
  readonly traceSampled: boolean;
  readonly counts: CheckCounts;
  readonly log: Logger;
}

/** What of the request to decide about an answer needs. */
export interface CheckedRequest {
  readonly method: string;
  /** With the query. */
  readonly target: string;
  readonly traceparent: string | undefined;
  readonly requestId: string | undefined;
}

/** What a decision comes to, however the proxy asks. */
export interface Answer {
  /** 200 lets the request pass; 503: no decision can be had. */
  readonly status: number;
  /** For the upstream when the request passes, else for the client. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What the upstream must not get from the client. */
  readonly remove: readonly string[];
  /** For the client. */
  readonly body: string;
}

/** Turns a decision into an answer, counts it and writes refusals to the log. */
export function answerOf(decision: Decision, request: CheckedRequest, options: AnswerOptions): Answer {
  options.counts[decision.result]++;
  if (decision.result === "allowed") return allowed(decision, request, options.traceSampled);
  logRefusal(decision, request, options.log);
  return refused(decision, options.realm);
}

/** What the upstream may believe is set here; what is not set is named for removal, so that no client's own header gets through. */
function allowed(
  { identity }: Extract<Decision, { result: "allowed" }>,
  { traceparent, requestId }: CheckedRequest,
  sampled: boolean,
): Answer {
  const headers: [string, string][] = [];
  const remove: string[] = [];
  if (identity === undefined) remove.push("x-user-id", "x-user-roles");
  else {
    headers.push(["x-user-id", identity.user]);
    if (identity.rolesHeader === "") remove.push("x-user-roles");
    else headers.push(["x-user-roles", identity.rolesHeader]);
  }
  if (traceparent !== undefined && isTraceParent(traceparent)) headers.push(["traceparent", traceparent]);
  else {
    headers.push(["traceparent", newTraceParent(sampled)]);
    // A state without its parent means nothing (W3C Trace Context, section 3.3).
    remove.push("tracestate");
  }
  if (requestId !== undefined) headers.push(["x-request-id", requestId]);
  return { status: 200, headers, remove, body: "" };
}

/** RFC 6750, section 3: without credentials no error code. */
function refused(decision: Exclude<Decision, { result: "allowed" }>, realm: string): Answer {
  const challenge = `Bearer realm="${realm}"`;
  const described = `error_description="${decision.reason.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "")}"`;
  switch (decision.result) {
    case "missing":
      return refusal(401, "unauthorized", decision.reason, challenge);
    case "invalid":
      return refusal(
        401,
        "invalid_token",
        decision.reason,
        `${challenge}, error="invalid_token", ${described}`,
      );
    case "forbidden":
      return refusal(403, "insufficient_scope", decision.reason, `${challenge}, error="insufficient_scope"`);
    case "unavailable":
      return refusal(503, "unavailable", decision.reason);
  }
}

/** An answer that refuses, with a body in JSON. */
export function refusal(status: number, error: string, message: string, challenge?: string): Answer {
  const headers: [string, string][] = [["content-type", "application/json"]];
  if (challenge !== undefined) headers.push(["www-authenticate", challenge]);
  return { status, headers, remove: [], body: JSON.stringify({ error, message }) };
}

function logRefusal(
  decision: Exclude<Decision, { result: "allowed" }>,
  { method, target, requestId }: CheckedRequest,
  log: Logger,
): void {
  if (!log.isLevelEnabled("info")) return;
  const user = decision.result === "forbidden" ? decision.identity?.user : undefined;
  // Without the query: people put credentials there.
  const path = target.replace(/[?#].*/s, "");
  log.info(
    { result: decision.result, reason: decision.reason, method, path, id: requestId, user },
    "refused",
  );
}
