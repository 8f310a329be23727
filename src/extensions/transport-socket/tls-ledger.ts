import { ignored, only, type Ledger } from "../../proto/ledger.ts";
import { stringMatcherLedger } from "../../proxy/matcher/string-matcher.ts";

/** What of TLS contexts and secrets is read. */
export const tlsLedger: Ledger = {
  ...stringMatcherLedger,
  "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext": [
    "common_tls_context",
    "require_client_certificate",
    "session_timeout",
    "disable_stateless_session_resumption",
    "session_ticket_keys",
    ignored("disable_stateful_session_resumption", "sessions are resumed by tickets only"),
    only("ocsp_staple_policy", "LENIENT_STAPLING"),
    "full_scan_certs_on_sni_mismatch",
    "prefer_client_ciphers",
  ],
  "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": [
    "common_tls_context",
    "sni",
    "auto_host_sni",
    "auto_sni_san_validation",
    "max_session_keys",
  ],
  "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext": [
    "tls_params",
    "tls_certificates",
    "tls_certificate_sds_secret_configs",
    "validation_context",
    "validation_context_sds_secret_config",
    "combined_validation_context",
    "alpn_protocols",
  ],
  "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext": [
    "default_validation_context",
    "validation_context_sds_secret_config",
  ],
  "envoy.extensions.transport_sockets.tls.v3.TlsParameters": [
    "tls_minimum_protocol_version",
    "tls_maximum_protocol_version",
    "cipher_suites",
    "ecdh_curves",
    "signature_algorithms",
  ],
  "envoy.extensions.transport_sockets.tls.v3.TlsCertificate": [
    "certificate_chain",
    "private_key",
    "password",
    "watched_directory",
  ],
  "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext": [
    "trusted_ca",
    "watched_directory",
    "verify_certificate_spki",
    "verify_certificate_hash",
    "match_typed_subject_alt_names",
    "match_subject_alt_names",
    "crl",
    "trust_chain_verification",
  ],
  "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys": "all",
  "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher": "all",
  "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": ["name", "sds_config"],
  "envoy.extensions.transport_sockets.tls.v3.Secret": ["name", "tls_certificate", "validation_context"],
  "envoy.config.core.v3.DataSource": [
    "filename",
    "inline_bytes",
    "inline_string",
    "environment_variable",
    "watched_directory",
  ],
  "envoy.config.core.v3.WatchedDirectory": "all",
};
