/** What a proxy's bootstrap must say; the rest comes over xDS. */
export interface BootstrapOptions {
  /** ADDRESS:PORT of the control plane's xDS server. */
  readonly control: string;
  readonly nodeId: string;
  readonly cluster: string;
  readonly zone?: string;
  readonly region?: string;
  readonly adminPort: number;
  /** A sidecar's places; none for an edge. */
  readonly sidecar?: {
    readonly service: string;
    readonly inbound: string;
    readonly outbound: string;
    readonly app: string;
  };
}

const XDS_CLUSTER = "weft_control";

/** An Envoy v3 bootstrap in JSON form, for real Envoy and `weft proxy` alike: clusters and listeners over ADS. */
export function proxyBootstrap(options: BootstrapOptions): Record<string, unknown> {
  const { control, nodeId, cluster, zone, region, adminPort, sidecar } = options;
  const ads = { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "15s" };
  return {
    node: {
      id: nodeId,
      cluster,
      ...((zone || region) && { locality: { ...(region && { region }), ...(zone && { zone }) } }),
      metadata: { weft: sidecar === undefined ? { view: "edge" } : { view: "sidecar", ...sidecar } },
    },
    admin: { address: socketAddress(`127.0.0.1:${adminPort}`) },
    dynamic_resources: {
      ads_config: {
        api_type: "GRPC",
        transport_api_version: "V3",
        grpc_services: [{ envoy_grpc: { cluster_name: XDS_CLUSTER } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: XDS_CLUSTER,
          type: /^[\d.]+:\d+$|^\[/.test(control) ? "STATIC" : "STRICT_DNS",
          connect_timeout: "1s",
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              explicit_http_config: {
                http2_protocol_options: { connection_keepalive: { interval: "30s", timeout: "5s" } },
              },
            },
          },
          load_assignment: {
            cluster_name: XDS_CLUSTER,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(control) } }] }],
          },
        },
      ],
    },
  };
}

function socketAddress(text: string): unknown {
  const colon = text.lastIndexOf(":");
  return {
    socket_address: {
      address: text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
      port_value: Number(text.slice(colon + 1)),
    },
  };
}
