import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { within } from "../../proto/within.ts";
import type { StreamInfo } from "../api.ts";
import type { RouteParent } from "./compile-route.ts";
import { DomainIndex } from "./domain-index.ts";
import { compileHeaderMutations } from "./header-mutations.ts";
import { compileMirrorPolicies } from "./mirror-policy.ts";
import { noPerFilterConfigs, PerFilterConfigs } from "./per-filter-configs.ts";
import type { RouteCompileContext } from "./route-compile-context.ts";
import type { RouteEntry } from "./route-entry.ts";
import { VirtualHost } from "./virtual-host.ts";

export type { RouteCompileContext } from "./route-compile-context.ts";
export { RouteEntry } from "./route-entry.ts";

type RouteConfiguration = Messages["envoy.config.route.v3.RouteConfiguration"];

/** A compiled route configuration. */
export class RouteTable {
  readonly name: string;
  readonly #hosts: DomainIndex<VirtualHost>;
  readonly #ignorePort: boolean;

  constructor(name: string, hosts: DomainIndex<VirtualHost>, ignorePort: boolean) {
    this.name = name;
    this.#hosts = hosts;
    this.#ignorePort = ignorePort;
  }

  /** The route of a request; undefined = 404. `random` in [0, 1) decides about weights and runtime fractions. */
  match(headers: HeaderMap, _info: StreamInfo, random: number): RouteEntry | undefined {
    const authority = this.#ignorePort ? withoutPort(headers.authority) : headers.authority;
    return this.#hosts.find(authority)?.match(headers, random);
  }
}

/** Compiles a route configuration. Throws an Error with Envoy's text for what is wrong in it. */
export function compileRouteTable(config: RouteConfiguration, context: RouteCompileContext): RouteTable {
  const hosts = new DomainIndex<VirtualHost>();
  const operators = context.extensions.operators;
  const request = compileHeaderMutations(
    config.requestHeadersToAdd,
    config.requestHeadersToRemove,
    operators,
  );
  const response = compileHeaderMutations(
    config.responseHeadersToAdd,
    config.responseHeadersToRemove,
    operators,
  );
  const perFilter = PerFilterConfigs.extend(noPerFilterConfigs, config.typedPerFilterConfig, context);
  const mirrorPolicies = compileMirrorPolicies(config.requestMirrorPolicies, context);
  for (const [i, host] of config.virtualHosts.entries()) {
    const parent: RouteParent = {
      config: host,
      request: {
        virtualHost: compileHeaderMutations(host.requestHeadersToAdd, host.requestHeadersToRemove, operators),
        table: request,
      },
      response: {
        virtualHost: compileHeaderMutations(
          host.responseHeadersToAdd,
          host.responseHeadersToRemove,
          operators,
        ),
        table: response,
      },
      perFilter: PerFilterConfigs.extend(perFilter, host.typedPerFilterConfig, context),
      mostSpecificWins: config.mostSpecificHeaderMutationsWins,
      maxDirectResponseBody: config.maxDirectResponseBodySizeBytes,
      mirrorPolicies,
      context,
    };
    const virtualHost = within(["virtual_hosts", i], () => new VirtualHost(host, parent));
    for (const domain of host.domains) addDomain(hosts, domain, virtualHost, config.name);
  }
  return new RouteTable(config.name, hosts, config.ignorePortInHostMatching);
}

function addDomain(
  hosts: DomainIndex<VirtualHost>,
  domain: string,
  virtualHost: VirtualHost,
  name: string,
): void {
  if (hosts.add(domain, virtualHost)) return;
  if (domain === "*") throw new Error(`Only a single wildcard domain is permitted in route ${name}`);
  throw new Error(
    `Only unique values for domains are permitted. Duplicate entry of domain ${domain.toLowerCase()} in route ${name}`,
  );
}

/** The authority up to its port, if it ends in one. */
function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(":");
  if (colon < 0 || authority.indexOf("]", colon) >= 0) return authority;
  if (authority.indexOf(":") !== colon && !authority.startsWith("[")) return authority;
  return authority.slice(0, colon);
}
