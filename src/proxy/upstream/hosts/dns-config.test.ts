import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromJson } from "../../../proto/registry.ts";
import { dnsOptions } from "./dns-config.ts";

function options(config: object): ReturnType<typeof dnsOptions> {
  const type = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig";
  return dnsOptions(
    fromJson("envoy.config.core.v3.TypedExtensionConfig", {
      name: "cares",
      typed_config: { "@type": type, ...config },
    } as never),
  );
}

describe("dnsOptions()", () => {
  it("reads servers, tries and search", () => {
    const resolvers = [
      { socket_address: { address: "127.0.0.1", port_value: 5353 } },
      { socket_address: { address: "::1", port_value: 0 } },
    ];
    assert.deepEqual(
      options({
        resolvers,
        query_timeout_seconds: 2,
        query_tries: 3,
        dns_resolver_options: { no_default_search_domain: true },
      }),
      { servers: ["127.0.0.1:5353", "[::1]:53"], timeout: 2000, tries: 3, search: { domains: [], ndots: 1 } },
    );
    assert.deepEqual(options({}), {});
  });

  it("refuses names of servers", () => {
    const resolvers = [{ socket_address: { address: "dns.test", port_value: 53 } }];
    assert.throws(() => options({ resolvers }), /malformed IP address: dns\.test/);
  });
});
