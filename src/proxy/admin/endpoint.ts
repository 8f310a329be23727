import type { AdminHost } from "./admin-host.ts";
import type { AdminQuery } from "./admin-query.ts";
import type { HistogramIntervals } from "./stats/histogram-intervals.ts";

/** A query parameter as /help and the home page describe it. */
export interface EndpointParameter {
  readonly name: string;
  readonly help: string;
  readonly kind: "text" | "flag" | "choice";
  /** Values of a choice; the first one is the default. */
  readonly choices?: readonly string[];
}

export interface AdminRequest {
  readonly host: AdminHost;
  readonly query: AdminQuery;
  /** The request's body as text; "" if there is none. */
  readonly body: string;
  readonly intervals: HistogramIntervals;
  /** All endpoints by path, for /help and the home page. */
  readonly endpoints: readonly AdminEndpoint[];
}

/** What an endpoint answers. */
export interface AdminReply {
  /** 200 if not given. */
  readonly status?: number;
  /** TEXT if not given. */
  readonly contentType?: string;
  /** Pieces are written one by one; other work of the thread goes on between them. */
  readonly body: string | Uint8Array | Iterable<string>;
  /** Runs when the answer is written. */
  readonly after?: () => void;
}

/** One path of the admin server. */
export interface AdminEndpoint {
  readonly path: string;
  readonly help: string;
  /** Changes something, so that only POST is allowed. */
  readonly mutates?: boolean;
  readonly parameters?: readonly EndpointParameter[];
  handle(request: AdminRequest): AdminReply | Promise<AdminReply>;
}

export const TEXT = "text/plain; charset=UTF-8";
/** What Envoy's older error answers carry. */
export const PLAIN = "text/plain";
export const HTML = "text/html; charset=UTF-8";
export const JSON_TYPE = "application/json";

/** What most mutations answer. */
export const OK: AdminReply = { body: "OK\n" };

/** JSON as Envoy's admin prints messages: indented by one space, angle brackets escaped. */
export function jsonReply(value: unknown): AdminReply {
  return { contentType: JSON_TYPE, body: `${adminJson(value)}\n` };
}

/** See `jsonReply`. */
export function adminJson(value: unknown): string {
  return JSON.stringify(value, undefined, 1).replace(/[<>]/g, (c) => (c === "<" ? "\\u003c" : "\\u003e"));
}
