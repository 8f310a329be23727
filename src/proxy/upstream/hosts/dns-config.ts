import { isIP } from "node:net";
import type { DnsOptions } from "../../../net/dns.ts";
import type { Ledger } from "../../../proto/ledger.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import { configTypeName, unpackAs } from "../../../proto/registry.ts";
import { joinAddress } from "./load-assignment.ts";

const CARES = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig";

/** What `dnsOptions` reads. */
export const dnsConfigLedger: Ledger = {
  [CARES]: ["resolvers", "dns_resolver_options", "query_timeout_seconds", "query_tries"],
  "envoy.config.core.v3.DnsResolverOptions": ["no_default_search_domain"],
};

/** Settings of a typed_dns_resolver_config. Throws an Error if it is not c-ares' or names what is no address. */
export function dnsOptions(extension: Messages["envoy.config.core.v3.TypedExtensionConfig"]): DnsOptions {
  const any = extension.typedConfig;
  if (any === undefined || configTypeName(any) !== CARES)
    throw new Error(
      `Didn't find a registered implementation for name: '${extension.name}'; supported: envoy.network.dns_resolver.cares`,
    );
  const config = unpackAs(any, CARES);
  const servers = config.resolvers.map(({ address }) => {
    const socket = address.case === "socketAddress" ? address.value : undefined;
    if (socket === undefined || isIP(socket.address) === 0)
      throw new Error(`malformed IP address: ${socket?.address ?? ""}`);
    const port = socket.portSpecifier.case === "portValue" ? socket.portSpecifier.value : 0;
    return joinAddress(socket.address, port === 0 ? 53 : port);
  });
  return {
    ...(servers.length === 0 ? {} : { servers }),
    ...(config.queryTimeoutSeconds === undefined
      ? {}
      : { timeout: Number(config.queryTimeoutSeconds) * 1000 }),
    ...(config.queryTries === undefined ? {} : { tries: config.queryTries }),
    ...(config.dnsResolverOptions?.noDefaultSearchDomain === true
      ? { search: { domains: [], ndots: 1 } }
      : {}),
  };
}
