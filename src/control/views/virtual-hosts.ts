import type { JsonValue } from "@bufbuild/protobuf";
import { patched } from "./patched.ts";
import type { Scope } from "./scope.ts";
import { serviceRoutes } from "./service-routes.ts";

const VIRTUAL_HOST = "envoy.config.route.v3.VirtualHost";

/**
 * One virtual host for each service, for its name, with any port, and its name with each suffix. A domain belongs to one
 * service only, so a service that is called like another one with a suffix goes before.
 */
export function virtualHosts(
  scope: Scope,
  services: readonly string[],
  suffixes: readonly string[],
  timeoutMs: number,
): JsonValue[] {
  const taken = new Set(services.map((service) => service.toLowerCase()));
  return services.map((service) => {
    const others = suffixes
      .map((suffix) => `${service}.${suffix}`)
      .filter((name) => !taken.has(name.toLowerCase()));
    for (const name of others) taken.add(name.toLowerCase());
    const host = {
      name: service,
      domains: [service, ...others].flatMap((name) => [name, `${name}:*`]),
      routes: serviceRoutes(scope, service, {}, timeoutMs),
    };
    return patched(VIRTUAL_HOST, host, scope.settings(service).envoy.virtual_host);
  });
}
