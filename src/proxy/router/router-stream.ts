import type { FilterStream, HeaderMap, HttpFilter, Verdict } from "../api.ts";
import { ResponseFlag } from "../api.ts";
import type { RouterConfig } from "./router-config.ts";
import type { RouteEntry } from "./route-entry.ts";

/** The router on one request. */
export class RouterStream implements HttpFilter {
  readonly #config: RouterConfig;
  readonly #stream: FilterStream;

  constructor(config: RouterConfig, stream: FilterStream) {
    this.#config = config;
    this.#stream = stream;
  }

  onRequestHeaders(headers: HeaderMap, _end: boolean): Verdict {
    const route = this.#stream.route as RouteEntry | undefined;
    if (route === undefined) {
      this.#config.stats.noRoute.inc();
      this.#stream.sendLocalReply({
        status: 404,
        details: "route_not_found",
        flags: ResponseFlag.NoRouteFound,
      });
      return "stop";
    }
    const action = route.action;
    if (action.kind === "forward") {
      this.#stream.sendLocalReply({
        status: 503,
        details: "cluster_not_found",
        flags: ResponseFlag.NoClusterFound,
      });
      return "stop";
    }
    const redirected = action.kind === "redirect" ? action.location(headers) : "";
    this.#stream.sendLocalReply({
      status: action.status,
      body: action.kind === "direct" ? action.body : "",
      details: "direct_response",
      headers: redirected === "" ? [] : [["location", redirected]],
    });
    return "stop";
  }

  onRequestData(_chunk: Buffer, _end: boolean): Verdict {
    return "stop";
  }

  onRequestTrailers(_trailers: HeaderMap): Verdict {
    return "stop";
  }

  onResponseDrain(): void {}

  onDestroy(): void {}
}
