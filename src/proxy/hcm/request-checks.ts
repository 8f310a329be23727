import type { HeaderMap } from "../../http/header-map.ts";
import type { CodecError } from "../../http/stream.ts";
import type { LocalReply } from "../api.ts";
import type { HcmConfig } from "./hcm-config.ts";
import { stripPort, stripTrailingDot } from "./host-normalization.ts";
import { needsNormalization, normalizePath } from "./path-normalization.ts";

/** A request that is refused before any filter, and the counter that it raises. */
export interface Refusal extends LocalReply {
  readonly stat?:
    | "downstream_rq_non_relative_path"
    | "downstream_rq_failed_path_normalization"
    | "downstream_rq_redirected_with_normalized_path"
    | "downstream_rq_ws_on_non_ws_route";
}

const MISSING_HOST: Refusal = { status: 400, details: "missing_host_header", close: true };
const MISSING_PATH: Refusal = { status: 404, details: "missing_path_rejected", close: true };
const NOT_RELATIVE: Refusal = {
  status: 404,
  details: "absolute_path_rejected",
  stat: "downstream_rq_non_relative_path",
};
const BAD_PATH: Refusal = { status: 400, details: "path_normalization_failed", close: true, stat: "downstream_rq_failed_path_normalization" }; // prettier-ignore
/** A Connection header that names what it may not. */
export const BAD_CONNECTION: CodecError = {
  status: 400,
  body: "Bad Request",
  details: "http1.connection_header_rejected",
  protocolError: true,
};
/** Upgrades that are not configured; found out when the request's headers are in order. */
export const NO_UPGRADE: Refusal = { status: 403, details: "upgrade_failed", close: true, stat: "downstream_rq_ws_on_non_ws_route" }; // prettier-ignore

/** Checks host and path and brings them into the configured form. Returns why the request is refused, if it is. */
export function checkRequest(headers: HeaderMap, config: HcmConfig, port: number): Refusal | undefined {
  if (headers.authority === "" && !headers.emptyAuthority) return MISSING_HOST;
  if (config.stripHostDot) headers.authority = stripTrailingDot(headers.authority);
  if (config.stripHostPort === "any") headers.authority = stripPort(headers.authority, undefined);
  else if (config.stripHostPort === "matching") headers.authority = stripPort(headers.authority, port);
  const path = headers.path;
  if (headers.method === "CONNECT") return undefined;
  if (path === "") return MISSING_PATH;
  if (path.charCodeAt(0) !== 47) return NOT_RELATIVE;
  if (needsNormalization(path, config.path)) {
    const result = normalizePath(path, config.path);
    if (result.kind === "reject") return BAD_PATH;
    if (result.kind === "redirect") return redirect(result.path);
    headers.path = result.path;
  }
  return undefined;
}

function redirect(path: string): Refusal {
  return {
    status: 307,
    details: "path_normalization_failed",
    headers: [["location", path]],
    stat: "downstream_rq_redirected_with_normalized_path",
  };
}
