/** How the control plane is known, and how the proxy shows who it is; PEM files. */
export interface ControlTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name that the control plane's certificate must have. */
  readonly name?: string;
}

/** What a proxy's bootstrap must say; the rest comes over xDS. */
export interface BootstrapOptions {
  /** ADDRESS:PORT of the control plane's xDS server; of several, with commas between, any is used, and another when it fails. */
  readonly control: string;
  readonly nodeId: string;
  readonly cluster: string;
  readonly zone?: string;
  readonly subZone?: string;
  readonly region?: string;
  readonly adminPort: number;
  /** 127.0.0.1 when left out. */
  readonly adminHost?: string;
  /** File for the admin interface's access log. */
  readonly adminLog?: string;
  /** Times of the connection to the control plane, in seconds. A frozen one is noticed by PINGs: see KEEPALIVE. */
  readonly connectTimeout?: number;
  readonly keepaliveInterval?: number;
  /** TLS to the control plane. */
  readonly tls?: ControlTls;
  /** What a proxy that is no sidecar is to be; `any`: what the control plane makes of its node. */
  readonly view?: "edge" | "gateway" | "any";
  /** Whether it reports loads to the control plane (LRS). */
  readonly loadReports?: boolean;
  /** Whether a sidecar's proxy is to know the instances of its own service, which zone-aware balancing needs. */
  readonly zoneAware?: boolean;
  /** A sidecar's places; none for an edge. */
  readonly sidecar?: {
    readonly service: string;
    readonly inbound: string;
    readonly outbound: string;
    readonly app: string;
  };
}

const XDS_CLUSTER = "weft_control";
const LOCAL_CLUSTER = "weft_local";
/** Seconds between PINGs to the only control plane, and to one of several: then there is somewhere else to go. */
const KEEPALIVE = { single: 30, several: 10 };

/** An Envoy v3 bootstrap in JSON form, for real Envoy and `weft proxy` alike: clusters and listeners over ADS. */
export function proxyBootstrap(options: BootstrapOptions): Record<string, unknown> {
  const { nodeId, cluster, adminPort, adminHost = "127.0.0.1", adminLog, tls } = options;
  const controls = options.control.split(",").map((each) => each.trim());
  const { connectTimeout = 1, keepaliveInterval = KEEPALIVE[controls.length === 1 ? "single" : "several"] } =
    options;
  const ads = { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "15s" };
  const local = options.zoneAware === true ? localCluster(options) : undefined;
  return {
    node: {
      id: nodeId,
      cluster,
      ...localityOf(options),
      ...metadataOf(options),
    },
    admin: {
      address: socketAddress(`${adminHost}:${adminPort}`),
      ...(adminLog !== undefined && { access_log: [fileLog(adminLog)] }),
    },
    dynamic_resources: {
      ads_config: {
        api_type: "GRPC",
        transport_api_version: "V3",
        grpc_services: [{ envoy_grpc: { cluster_name: XDS_CLUSTER } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    ...clusterManager(options, local !== undefined),
    static_resources: {
      clusters: [
        ...(local === undefined ? [] : [local]),
        {
          name: XDS_CLUSTER,
          type: controls.every((each) => /^[\d.]+:\d+$|^\[/.test(each)) ? "STATIC" : "STRICT_DNS",
          connect_timeout: `${connectTimeout}s`,
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              explicit_http_config: {
                http2_protocol_options: {
                  connection_keepalive: { interval: `${keepaliveInterval}s`, timeout: "5s" },
                },
              },
            },
          },
          load_assignment: {
            cluster_name: XDS_CLUSTER,
            endpoints: [
              { lb_endpoints: controls.map((each) => ({ endpoint: { address: socketAddress(each) } })) },
            ],
          },
          ...(tls !== undefined && { transport_socket: transportSocket(tls) }),
        },
      ],
    },
  };
}

function clusterManager({ loadReports = false }: BootstrapOptions, hasLocal: boolean): object {
  if (!loadReports && !hasLocal) return {};
  return {
    cluster_manager: {
      ...(hasLocal && { local_cluster_name: LOCAL_CLUSTER }),
      ...(loadReports && {
        load_stats_config: {
          api_type: "GRPC",
          transport_api_version: "V3",
          grpc_services: [{ envoy_grpc: { cluster_name: XDS_CLUSTER } }],
        },
      }),
    },
  };
}

/** The instances of the proxy's own service, whose shares of the zones the proxy compares with those of others. */
function localCluster({ sidecar }: BootstrapOptions): object | undefined {
  if (sidecar === undefined) return undefined;
  const eds_config = { ads: {}, resource_api_version: "V3" };
  const eds_cluster_config = { service_name: `${LOCAL_CLUSTER}/${sidecar.service}`, eds_config };
  return { name: LOCAL_CLUSTER, type: "EDS", eds_cluster_config };
}

function metadataOf({
  sidecar,
  view = "edge",
  adminHost = "127.0.0.1",
  adminPort,
}: BootstrapOptions): object {
  const weft = {
    ...(sidecar !== undefined ? { view: "sidecar", ...sidecar } : view !== "any" && { view }),
    // Where the control plane may look at the proxy's statistics, to judge deployments.
    ...(adminPort !== 0 && { admin: `${adminHost}:${adminPort}` }),
  };
  return Object.keys(weft).length === 0 ? {} : { metadata: { weft } };
}

function localityOf({ region, zone, subZone }: BootstrapOptions): object {
  const locality = {
    ...(region && { region }),
    ...(zone && { zone }),
    ...(subZone && { sub_zone: subZone }),
  };
  return Object.keys(locality).length === 0 ? {} : { locality };
}

function fileLog(path: string): object {
  return {
    name: "envoy.access_loggers.file",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
      path,
    },
  };
}

function transportSocket({ ca, cert, key, name }: ControlTls): object {
  const file = (filename: string) => ({ filename });
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      ...(name !== undefined && { sni: name }),
      common_tls_context: {
        validation_context: {
          trusted_ca: file(ca),
          ...(name !== undefined && {
            match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: name } }],
          }),
        },
        ...(cert !== undefined &&
          key !== undefined && {
            tls_certificates: [{ certificate_chain: file(cert), private_key: file(key) }],
          }),
      },
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
