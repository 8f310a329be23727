import { readProxyHeader } from "../../net/proxy-protocol/read-proxy-header.ts";
import type { ListenerFilterDef } from "../../proxy/api.ts";
import { passesThrough } from "../proxy-tlvs.ts";
import { compileTlvRules } from "./proxy-protocol/tlv-rules.ts";
import { ProxyProtocolStats } from "./proxy-protocol/stats.ts";

/** envoy.filters.listener.proxy_protocol: takes the client's address from a PROXY header before the client's bytes. */
export const proxyProtocol: ListenerFilterDef<"envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"> =
  {
    name: "envoy.filters.listener.proxy_protocol",
    config: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    ledger: {
      "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol": "all",
      "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule": "all",
      "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair": "all",
      "envoy.config.core.v3.ProxyProtocolPassThroughTLVs": "all",
    },
    create(config, context) {
      const optional = config.allowRequestsWithoutProxyProtocol;
      const disallowed = new Set(config.disallowedVersions.map((version) => (version as number) + 1));
      const stats = new ProxyProtocolStats(context.stats, config.statPrefix);
      const noteTlvs = compileTlvRules(config);
      const passed = passesThrough(config.passThroughTlvs);
      const refuse = (): "close" => {
        stats.anyError.inc();
        return "close";
      };
      const nothing = (): "next" | "close" => {
        (optional ? stats.notFoundAllowed : stats.notFoundDisallowed).inc();
        return optional ? "next" : refuse();
      };
      return {
        onBytes(bytes, facts) {
          const found = readProxyHeader(bytes);
          if (found === "more") return "more";
          if (found === "none") return nothing();
          if (found === "endless") {
            stats.notFoundDisallowed.inc();
            return refuse();
          }
          if (typeof found === "string") {
            stats.versions[found === "bad-v1" ? 1 : 2].error.inc();
            return refuse();
          }
          const { header, length } = found;
          const counters = stats.versions[header.version];
          if (disallowed.has(header.version)) {
            // Where headers are optional, one of another version is the client's business.
            if (optional) return nothing();
            counters.found.inc();
            counters.disallowed.inc();
            return refuse();
          }
          counters.found.inc();
          if (header.addresses !== undefined) {
            facts.remote = header.addresses.source;
            facts.local = header.addresses.destination;
          }
          noteTlvs(header.tlvs, facts);
          facts.proxyTlvs = header.tlvs.filter(({ type }) => passed(type));
          return length;
        },
      };
    },
  };
