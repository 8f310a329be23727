import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { compilePathRewrite, pathEnd, type PathRewrite } from "./path-rewrite.ts";

const X_FORWARDED_PROTO = knownHeaderId("x-forwarded-proto");
const STATUSES = [301, 302, 303, 307, 308];

/** Answers with a Location made from the request. */
export class RedirectAction {
  readonly kind = "redirect";
  readonly status: number;
  readonly pathRewrite: PathRewrite | undefined;
  readonly #scheme: string;
  readonly #host: string;
  readonly #port: string;
  readonly #path: string;
  readonly #stripQuery: boolean;

  constructor(config: Messages["envoy.config.route.v3.RedirectAction"]) {
    const scheme = config.schemeRewriteSpecifier;
    const path = config.pathRewriteSpecifier;
    this.status = STATUSES[config.responseCode] ?? 301;
    this.#scheme =
      scheme.case === "schemeRedirect"
        ? scheme.value
        : scheme.case === "httpsRedirect" && scheme.value
          ? "https"
          : "";
    this.#host = config.hostRedirect;
    this.#port = config.portRedirect === 0 ? "" : ":" + config.portRedirect;
    this.#path = path.case === "pathRedirect" ? path.value : "";
    this.#stripQuery = config.stripQuery;
    this.pathRewrite = compilePathRewrite(
      path.case === "prefixRewrite" ? path.value : "",
      path.case === "regexRewrite" ? path.value : undefined,
    );
  }

  /** The Location for a request whose path was rewritten already. */
  location(headers: HeaderMap): string {
    const scheme = this.#scheme || headers.scheme;
    const host = this.#host || requestHost(headers, scheme, this.#port !== "");
    return scheme + "://" + host + this.#port + this.#newPath(headers.path);
  }

  /** A query in path_redirect wins over the request's and is never stripped. */
  #newPath(path: string): string {
    if (this.#path.includes("?")) return this.#path;
    const query = path.indexOf("?");
    if (this.#path !== "") return query < 0 || this.#stripQuery ? this.#path : this.#path + path.slice(query);
    return this.#stripQuery ? path.slice(0, pathEnd(path)) : path;
  }
}

/** The authority, without a port that is replaced or was the default one of a scheme that changes. */
function requestHost(headers: HeaderMap, scheme: string, portIsReplaced: boolean): string {
  const host = headers.authority;
  const colon = host.startsWith("[") ? host.indexOf("]:") + 1 : host.lastIndexOf(":");
  if (colon <= 0) return host;
  const protocol = headers.getId(X_FORWARDED_PROTO) ?? "";
  const port = host.slice(colon);
  const isDefault = (protocol === "https" && port === ":443") || (protocol === "http" && port === ":80");
  return portIsReplaced || (scheme !== protocol && isDefault) ? host.slice(0, colon) : host;
}
