import { ignored, type Ledger } from "../../../proto/ledger.ts";
import { stringMatcherLedger } from "../../../proxy/matcher/string-matcher.ts";

/** What of ext_authz is read: HTTP services, no gRPC. */
export const extAuthzLedger: Ledger = {
  ...stringMatcherLedger,
  "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz": [
    "http_service",
    ignored("transport_api_version", "only gRPC services have versions"),
    "failure_mode_allow",
    "failure_mode_allow_header_add",
    "with_request_body",
    "clear_route_cache",
    "status_on_error",
    "filter_enabled",
    "deny_at_disable",
    "stat_prefix",
    "allowed_headers",
    "disallowed_headers",
    "charge_cluster_response_stats",
    ignored("include_peer_certificate", "only gRPC services are told of it"),
    ignored("include_tls_session", "only gRPC services are told of it"),
  ],
  "envoy.extensions.filters.http.ext_authz.v3.HttpService": [
    "server_uri",
    "path_prefix",
    "path_override",
    "authorization_request",
    "authorization_response",
  ],
  "envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest": "all",
  "envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse": "all",
  "envoy.extensions.filters.http.ext_authz.v3.BufferSettings": [
    "max_request_bytes",
    "allow_partial_message",
    ignored("pack_as_bytes", "bodies go to HTTP services as they are"),
  ],
  "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute": "all",
  "envoy.extensions.filters.http.ext_authz.v3.CheckSettings": [
    ignored("context_extensions", "only gRPC services are told of them"),
    "disable_request_body_buffering",
    "with_request_body",
    "http_service",
  ],
  "envoy.config.core.v3.HttpUri": ["uri", "cluster", "timeout"],
  "envoy.config.core.v3.HeaderValue": ["key", "value"],
  "envoy.config.core.v3.RuntimeFractionalPercent": "all",
  "envoy.config.core.v3.RuntimeFeatureFlag": "all",
  "envoy.type.v3.FractionalPercent": "all",
  "envoy.type.v3.HttpStatus": "all",
};
