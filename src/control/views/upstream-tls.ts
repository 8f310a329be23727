import type { JsonValue } from "@bufbuild/protobuf";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { typed, type JsonFields } from "./envoy-json.ts";

const TLS_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/** The fields of a cluster for TLS, and for the proxy's own certificate. */
export function upstreamTls(service: string, { tls, protocol }: EffectiveSettings): JsonFields {
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
    transport_socket: {
      name: "envoy.transport_sockets.tls",
      typed_config: typed(TLS_CONTEXT, { sni: tls.sni ?? service, common_tls_context: common }),
    },
  };
}

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
