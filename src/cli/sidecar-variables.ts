/** A variable of `weft sidecar`. */
export interface SidecarVariable {
  readonly name: string;
  /** The variable of envoy-simple that counts when this one is not set; "" = there was none. */
  readonly simple: string;
  readonly fallback: string;
  readonly meaning: string;
}

/** Our variables, in the order they are documented. */
export const sidecarVariables: readonly SidecarVariable[] = [
  {
    name: "WEFT_CONTROL",
    simple: "ENVOY_XDS_HOST, ENVOY_XDS_PORT",
    fallback: "127.0.0.1:18000",
    meaning:
      "the control plane's xDS port, or several with commas between; of `ENVOY_XDS_HOST` and `_PORT`, what is not set is 127.0.0.1 and 50000",
  },
  {
    name: "WEFT_NODE_ID",
    simple: "ENVOY_NODE_ID",
    fallback: "the host's name",
    meaning: "name of this proxy",
  },
  {
    name: "WEFT_NODE_CLUSTER",
    simple: "ENVOY_NODE_CLUSTER",
    fallback: "`WEFT_SERVICE`, or default-cluster",
    meaning: "node cluster: decides what the control plane serves",
  },
  { name: "WEFT_REGION", simple: "", fallback: "", meaning: "region" },
  {
    name: "WEFT_ZONE",
    simple: "ENVOY_NODE_ZONE",
    fallback: "none; without `WEFT_SERVICE` default-zone",
    meaning: "availability zone",
  },
  { name: "WEFT_SUB_ZONE", simple: "", fallback: "", meaning: "a part of the zone" },
  {
    name: "WEFT_SERVICE",
    simple: "",
    fallback: "",
    meaning: "the service beside this proxy; makes it a sidecar, which needs the next three",
  },
  { name: "WEFT_INBOUND", simple: "", fallback: "", meaning: "where others reach the service, ADDRESS:PORT" },
  {
    name: "WEFT_OUTBOUND",
    simple: "",
    fallback: "",
    meaning: "where the application reaches others, ADDRESS:PORT",
  },
  { name: "WEFT_APP", simple: "", fallback: "", meaning: "where the application listens, ADDRESS:PORT" },
  {
    name: "WEFT_ADMIN",
    simple: "ENVOY_ADMIN_IP, ENVOY_ADMIN_PORT",
    fallback: "127.0.0.1:9901",
    meaning: "the admin interface; with `ENVOY_ADMIN_PORT` alone on 127.0.0.1, no longer on all addresses",
  },
  { name: "WEFT_ADMIN_LOG", simple: "ENVOY_ADMIN_LOG", fallback: "", meaning: "its access log" },
  {
    name: "WEFT_CONTROL_CA",
    simple: "",
    fallback: "",
    meaning: "certificates to trust, PEM: TLS to the control plane",
  },
  { name: "WEFT_CONTROL_CERT", simple: "", fallback: "", meaning: "certificate of this proxy, PEM" },
  { name: "WEFT_CONTROL_KEY", simple: "", fallback: "", meaning: "its key, PEM" },
  {
    name: "WEFT_CONTROL_NAME",
    simple: "",
    fallback: "the host in `WEFT_CONTROL`",
    meaning: "name that the control plane's certificate must have",
  },
  {
    name: "WEFT_CONTROL_CONNECT_TIMEOUT",
    simple: "ENVOY_XDS_CONNECT_TIMEOUT_SECS",
    fallback: "1",
    meaning: "seconds",
  },
  {
    name: "WEFT_CONTROL_KEEPALIVE",
    simple: "ENVOY_XDS_KEEPALIVE_TIME_SECS",
    fallback: "30, or 10 to several",
    meaning: "seconds between pings to the control plane",
  },
  { name: "WEFT_BASE_ID", simple: "ENVOY_BASE_ID", fallback: "", meaning: "`--base-id` of the proxy" },
  { name: "WEFT_LOG_LEVEL", simple: "ENVOY_LOG_LEVEL", fallback: "", meaning: "`--log-level` of the proxy" },
  {
    name: "WEFT_ARGS",
    simple: "ENVOY_ARGS",
    fallback: "",
    meaning: "more flags of the proxy, with spaces between",
  },
];

/** Variables of envoy-simple that do nothing, and why. */
export const ignoredVariables: readonly {
  readonly pattern: RegExp;
  readonly shown: string;
  readonly why: string;
}[] = [
  {
    pattern: /^ENVOY_XDS_REFRESH_DELAY_SECS$/,
    shown: "`ENVOY_XDS_REFRESH_DELAY_SECS`",
    why: "changes come over a stream, at once",
  },
  {
    pattern: /^ENVOY_XDS_KEEPALIVE_(PROBES|INTERVAL_SECS)$/,
    shown: "`ENVOY_XDS_KEEPALIVE_PROBES`, `ENVOY_XDS_KEEPALIVE_INTERVAL_SECS`",
    why: "a ping of HTTP/2 must be answered within 5 seconds",
  },
  {
    pattern: /^ENVOY_(ZIPKIN|LIGHTSTEP)_/,
    shown: "`ENVOY_ZIPKIN_…`, `ENVOY_LIGHTSTEP_…`",
    why: "tracing is not configured by variables; what a tracer needs is `tracing` in the bootstrap",
  },
];
