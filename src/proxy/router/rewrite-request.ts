import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Host, StreamInfo } from "../api.ts";
import type { ForwardAction } from "../route/forward-action.ts";
import { pathEnd, type PathRewrite } from "../route/path-rewrite.ts";
import type { RouteEntry } from "../route/route-entry.ts";

const ORIGINAL_HOST = knownHeaderId("x-envoy-original-host");
const ORIGINAL_PATH = knownHeaderId("x-envoy-original-path");
const FORWARDED_HOST = knownHeaderId("x-forwarded-host");

/** Changes authority and path as the route says. `keepOriginals`: tell the upstream what they were. */
export function rewriteRequest(
  headers: HeaderMap,
  info: StreamInfo,
  route: RouteEntry,
  keepOriginals: boolean,
): void {
  const action = route.action;
  if (action.kind !== "forward") return;
  const rewrite = action.hostRewrite;
  if (rewrite !== undefined) {
    const host = rewrite.apply(headers);
    if (host !== "") rewriteHost(headers, host, keepOriginals, action.appendForwardedHost);
  }
  if (action.pathRewrite !== undefined) rewritePath(headers, info, route, action.pathRewrite, keepOriginals);
}

/** Puts another authority in place of the request's. */
function rewriteHost(
  headers: HeaderMap,
  host: string,
  keepOriginal: boolean,
  appendForwardedHost: boolean,
): void {
  const original = headers.authority;
  if (keepOriginal) headers.setId(ORIGINAL_HOST, original);
  if (appendForwardedHost && original !== "" && !endsWithHost(headers.getId(FORWARDED_HOST), original))
    headers.appendId(FORWARDED_HOST, original);
  headers.authority = host;
}

/** Takes the name of the chosen endpoint as authority; the original is kept once, at the first try. */
export function rewriteToEndpoint(
  headers: HeaderMap,
  host: Host,
  attempt: number,
  action: ForwardAction,
  keepOriginal: boolean,
): void {
  if (host.hostname === "") return;
  rewriteHost(
    headers,
    host.hostname,
    keepOriginal && attempt === 1,
    action.appendForwardedHost && attempt === 1,
  );
}

/** Puts another path in place of the request's. */
export function rewritePath(
  headers: HeaderMap,
  info: StreamInfo,
  route: RouteEntry,
  rewrite: PathRewrite,
  keepOriginal: boolean,
): void {
  const path = headers.path;
  const matched = route.matchedLength < 0 ? pathEnd(path) : route.matchedLength;
  if (info.originalPath === "") info.originalPath = path;
  if (keepOriginal) headers.setId(ORIGINAL_PATH, path);
  headers.path = rewrite.apply(path, matched);
}

/** The last proxy may have added the same host already. */
function endsWithHost(forwarded: string | undefined, host: string): boolean {
  if (forwarded === undefined) return false;
  return forwarded.slice(forwarded.lastIndexOf(",") + 1).trim() === host;
}
