import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { LocalReply, StreamInfo } from "../api.ts";
import type { DirectResponseAction } from "../route/direct-response-action.ts";
import type { RedirectAction } from "../route/redirect-action.ts";
import { rewritePath } from "./rewrite-request.ts";
import type { RouteEntry } from "../route/route-entry.ts";

const CONTENT_TYPE = knownHeaderId("content-type");

/** The reply of a route that does not forward. Rewrites the request's path if the redirect says so, as Envoy does. */
export function directReply(
  route: RouteEntry,
  action: RedirectAction | DirectResponseAction,
  request: HeaderMap,
  info: StreamInfo,
  keepOriginals: boolean,
  modify: (headers: HeaderMap) => void,
): LocalReply {
  const { status } = action;
  const headers: [string, string][] = [];
  let body = "";
  let finish = modify;
  if (action.kind === "redirect") {
    if (action.pathRewrite !== undefined)
      rewritePath(request, info, route, action.pathRewrite, keepOriginals);
    headers.push(["location", action.location(request)]);
  } else {
    body = action.body;
    // CONNECT has no path.
    if (request.path !== "" && (status === 201 || (status >= 300 && status < 400)))
      headers.push(["location", `${request.scheme}://${request.authority}${request.path}`]);
    if (action.format !== undefined) {
      info.localReplyBody = body;
      body = action.format(info);
      finish = (reply) => {
        modify(reply);
        if (!reply.hasId(CONTENT_TYPE)) reply.addId(CONTENT_TYPE, action.contentType);
      };
    }
  }
  // Envoy closes the connection after every 400 of its own.
  return { status, body, details: "direct_response", headers, modify: finish, close: status === 400 };
}
