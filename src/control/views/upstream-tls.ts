import type { JsonValue } from "@bufbuild/protobuf";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { typed, type JsonFields } from "./envoy-json.ts";

const TLS_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/** Metadata of endpoints that are front proxies of other regions, which speak TLS themselves to the service. */
export const GATEWAY_MATCH: JsonFields = { gateway: true };

/**
 * The fields of a cluster for TLS, and for the proxy's own certificate.
 * @param gateways whether some endpoints may be front proxies
 */
export function upstreamTls(
  service: string,
  { tls, protocol }: EffectiveSettings,
  gateways: boolean,
): JsonFields {
  if (tls === undefined) return {};
  const common: JsonFields = {};
  if (tls.cert !== undefined && tls.key !== undefined) {
    common["tls_certificates"] = [
      { certificate_chain: { filename: tls.cert }, private_key: { filename: tls.key } },
    ];
  }
  if (tls.insecure !== true && tls.ca !== undefined)
    common["validation_context"] = validation(tls.ca, tls.names);
  // With `auto`, Envoy offers what the cluster's protocols need by itself.
  if (protocol === "http2" || protocol === "grpc") common["alpn_protocols"] = ["h2"];
  else if (protocol === undefined || protocol === "http1") common["alpn_protocols"] = ["http/1.1"];
  return {
    ...(gateways && { transport_socket_matches: [plainGateway] }),
    transport_socket: {
      name: "envoy.transport_sockets.tls",
      typed_config: typed(TLS_CONTEXT, { sni: tls.sni ?? service, common_tls_context: common }),
    },
  };
}

const plainGateway: JsonValue = {
  name: "gateway",
  match: GATEWAY_MATCH,
  transport_socket: {
    name: "envoy.transport_sockets.raw_buffer",
    typed_config: typed("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
  },
};

function validation(ca: string, names: readonly string[] | undefined): JsonValue {
  return {
    trusted_ca: { filename: ca },
    ...(names !== undefined && {
      match_typed_subject_alt_names: names.map((name) => ({
        san_type: name.includes("://") ? "URI" : "DNS",
        matcher: { exact: name },
      })),
    }),
  };
}
