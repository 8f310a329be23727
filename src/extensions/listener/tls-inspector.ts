import { parseClientHello } from "../../net/tls/client-hello.ts";
import type { ListenerFilterDef } from "../../proxy/api.ts";

const DEFAULT_LIMIT = 16_384;

/** Reads server name and protocols from the ClientHello, so that filter chains can be chosen by them. */
export const tlsInspector: ListenerFilterDef<"envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"> =
  {
    name: "envoy.filters.listener.tls_inspector",
    config: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    ledger: {
      "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector": [
        "max_client_hello_size",
        "close_connection_on_client_hello_parsing_errors",
        {
          field: "initial_read_buffer_size",
          ignored: "reads are not sized by the length of what is expected",
        },
      ],
    },
    create(config, context) {
      const limit = config.maxClientHelloSize ?? DEFAULT_LIMIT;
      const scope = context.stats.scope("tls_inspector.");
      const [tlsFound, tlsMissing, sniFound, sniMissing, alpnFound, alpnMissing, tooLarge] = [
        "tls_found", "tls_not_found", "sni_found", "sni_not_found", "alpn_found", "alpn_not_found",
        "client_hello_too_large",
      ].map((name) => scope.counter(name)); // prettier-ignore
      const processed = scope.histogram("bytes_processed");
      return {
        onBytes(bytes, facts) {
          const hello = parseClientHello(bytes, limit);
          if (hello === "more") return "more";
          processed.record(bytes.length);
          if (hello === "too-large") {
            tooLarge!.inc();
            return "close";
          }
          if (hello === "not-tls") {
            tlsMissing!.inc();
            return config.closeConnectionOnClientHelloParsingErrors && bytes[0] === 22 ? "close" : "next";
          }
          tlsFound!.inc();
          (hello.serverName === "" ? sniMissing : sniFound)!.inc();
          (hello.protocols.length === 0 ? alpnMissing : alpnFound)!.inc();
          facts.transportProtocol = "tls";
          facts.serverName = hello.serverName;
          facts.applicationProtocols = hello.protocols;
          return "next";
        },
      };
    },
  };
