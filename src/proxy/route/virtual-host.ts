import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { create } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { within } from "../../proto/within.ts";
import { compileRoute, type RouteParent } from "./compile-route.ts";
import { noPerFilterConfigs } from "./per-filter-configs.ts";
import { RedirectAction } from "./redirect-action.ts";
import { RouteEntry } from "./route-entry.ts";
import { RouteIndex } from "./route-index.ts";

type VirtualHostConfig = Messages["envoy.config.route.v3.VirtualHost"];

const X_FORWARDED_PROTO = knownHeaderId("x-forwarded-proto");
const X_ENVOY_INTERNAL = knownHeaderId("x-envoy-internal");

/** VirtualHost.TlsRequirementType. */
const EXTERNAL_ONLY = 1;
const ALL = 2;

/** A set of domains with their routes. */
export class VirtualHost {
  readonly name: string;
  readonly #routes: RouteIndex;
  readonly #requireTls: number;
  readonly #tlsRedirect: RouteEntry | undefined;

  constructor(config: VirtualHostConfig, parent: RouteParent) {
    this.name = config.name;
    this.#routes = new RouteIndex(
      config.routes.map((route, i) => within(["routes", i], () => compileRoute(route, parent))),
    );
    this.#requireTls = config.requireTls;
    this.#tlsRedirect = config.requireTls === 0 ? undefined : tlsRedirect(config);
  }

  /** Undefined also for requests without x-forwarded-proto, as in Envoy: the connection manager sets it. */
  match(headers: HeaderMap, random: number): RouteEntry | undefined {
    const proto = headers.getId(X_FORWARDED_PROTO);
    if (proto === undefined || proto === "") return undefined;
    if (this.#tlsRedirect !== undefined && this.#mustRedirect(headers, proto)) return this.#tlsRedirect;
    const route = this.#routes.find(headers, random);
    if (route === undefined) return undefined;
    return route.weighted === undefined ? route.entry : route.weighted.choose(headers, random);
  }

  #mustRedirect(headers: HeaderMap, proto: string): boolean {
    if (proto === "https") return false;
    if (this.#requireTls === ALL) return true;
    return this.#requireTls === EXTERNAL_ONLY && headers.getId(X_ENVOY_INTERNAL) !== "true";
  }
}

function tlsRedirect(config: VirtualHostConfig): RouteEntry {
  const action = create("envoy.config.route.v3.RedirectAction", {
    schemeRewriteSpecifier: { case: "httpsRedirect", value: true },
  });
  return new RouteEntry({
    name: "",
    virtualHostName: config.name,
    clusterName: "",
    action: new RedirectAction(action),
    requestMutations: [],
    responseMutations: [],
    perFilter: noPerFilterConfigs,
    metadata: undefined,
    metadataMatch: undefined,
    hostRewrite: "",
    matchedLength: 0,
  });
}
