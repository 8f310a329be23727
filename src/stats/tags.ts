// Envoy's well-known tags: parts of a stat's name that become Prometheus labels.

/** A stat's name without what became tags, and the tags in the order in which Envoy prints them. */
export interface TaggedName {
  readonly name: string;
  readonly tags: readonly (readonly [name: string, value: string])[];
}

/** One rule: group 1 is cut out of the name, group 2 is the value. */
interface Rule {
  readonly tag: string;
  /** A part that the name must have, as a cheap first test. */
  readonly needs: string;
  readonly pattern: RegExp;
}

const ADDRESS = String.raw`(?:\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f_:.%]*\])_\d+`;

// In Envoy's order of extraction, which is the order of the printed tags.
const RULES: readonly Rule[] = [
  { tag: "envoy.response_code", needs: "_rq_", pattern: /_rq(_(\d{3}))$/ },
  { tag: "envoy.response_code_class", needs: "_rq_", pattern: /_rq_((\d))xx$/ },
  { tag: "envoy.http_user_agent", needs: ".user_agent.", pattern: /^http\..*?\.user_agent\.((.*?)\.)\w+?$/ },
  { tag: "envoy.rds_route_config", needs: ".rds.", pattern: /^http\..*?\.rds\.((.*?)\.)\w+?$/ },
  { tag: "envoy.ssl_cipher", needs: ".ssl.ciphers.", pattern: /\.ssl\.ciphers(\.(.*))$/ },
  { tag: "envoy.ssl_version", needs: ".ssl.versions.", pattern: /\.ssl\.versions(\.(.*))$/ },
  { tag: "envoy.virtual_cluster", needs: ".vcluster.", pattern: /^vhost\..*?\.vcluster\.((.*?)\.)\w+?$/ },
  { tag: "envoy.virtual_host", needs: "vhost.", pattern: /^vhost\.((.*?)\.)/ },
  { tag: "envoy.route", needs: ".route.", pattern: /^vhost\..*?\.route\.((.*?)\.)\w+?$/ },
  { tag: "envoy.tcp_prefix", needs: "tcp.", pattern: /^tcp\.((.*?)\.)\w+?$/ },
  {
    tag: "envoy.local_http_ratelimit_prefix",
    needs: ".http_local_rate_limit.",
    pattern: /^((.*?)\.)http_local_rate_limit\./,
  },
  { tag: "envoy.cluster_name", needs: "cluster.", pattern: /^cluster\.((.*?)\.)/ },
  {
    tag: "envoy.ext_authz_prefix",
    needs: ".ext_authz.",
    pattern: /^(?:cluster|http)\.[^.]+\.ext_authz\.((.*?)\.)\w+$/,
  },
  { tag: "envoy.endpoint_address", needs: ".endpoint.", pattern: /^cluster\..*?\.endpoint\.((.*)\.)\w+$/ },
  {
    tag: "envoy.fault_downstream_cluster",
    needs: ".fault.",
    pattern: /^http\.[^.]+\.fault\.((.*?)\.)\w+$/,
  },
  {
    tag: "envoy.connection_limit_prefix",
    needs: "connection_limit.",
    pattern: /^connection_limit\.((.*?)\.)\w+$/,
  },
  {
    tag: "envoy.local_listener_ratelimit_prefix",
    needs: "listener_local_ratelimit.",
    pattern: /^listener_local_ratelimit\.((.*?)\.)\w+$/,
  },
  {
    tag: "envoy.local_network_ratelimit_prefix",
    needs: "local_rate_limit.",
    pattern: /^local_rate_limit\.((.*?)\.)\w+$/,
  },
  { tag: "envoy.ratelimit_prefix", needs: "ratelimit.", pattern: /^ratelimit\.((.*?)\.)\w+$/ },
  { tag: "envoy.rbac_prefix", needs: ".rbac.", pattern: /^(([^.]*)\.)rbac\./ },
  { tag: "envoy.udp_prefix", needs: "udp.", pattern: /^udp\.((.*?)\.)\w+$/ },
  {
    tag: "envoy.proxy_protocol_prefix",
    needs: "proxy_proto.",
    pattern: /^proxy_proto\.((?!versions\.)([^.]+)\.)/,
  },
  {
    tag: "envoy.proxy_protocol_version",
    needs: ".versions.v",
    pattern: /^proxy_proto\.(?:.+?\.)?(versions\.v(\d)\.)\w+$/,
  },
  {
    tag: "envoy.rbac_policy_name",
    needs: ".policy.",
    pattern: /^http\.[^.]+\.rbac\.(?:.*?\.)?policy\.((.*?)\.)\w+$/,
  },
  {
    tag: "envoy.rbac_http_prefix",
    needs: ".rbac.",
    pattern: /^http\.[^.]+\.rbac\.((?!policy\.)([^.]+)\.)/,
  },
  { tag: "envoy.ssl_curve", needs: ".ssl.curves.", pattern: /\.ssl\.curves(\.(.*))$/ },
  { tag: "envoy.tls_certificate", needs: ".ssl.certificate.", pattern: /\.ssl\.certificate(\.(.*))\.\w+$/ },
  { tag: "envoy.http_conn_manager_prefix", needs: "http.", pattern: /^http\.((.*?)\.)/ },
  { tag: "envoy.http_conn_manager_prefix", needs: ".http.", pattern: /^listener\..*?\.http\.((.*?)\.)/ },
  {
    tag: "envoy.worker_id",
    needs: "worker_",
    pattern: /^(?:listener|server|thread_local_cluster_manager)\.(?:.*?\.)?worker(_(\d+))\./,
  },
  {
    tag: "envoy.listener_address",
    needs: "listener.",
    pattern: new RegExp(String.raw`^listener\.((${ADDRESS})\.)`),
  },
];

/** Applies Envoy's default tag rules to a full stat name. */
export function extractTags(fullName: string): TaggedName {
  const tags: [string, string][] = [];
  const cuts: [number, number][] = [];
  for (const { tag, needs, pattern } of RULES) {
    if (!fullName.includes(needs) || tags.some(([name]) => name === tag)) continue;
    const match = pattern.exec(fullName);
    if (match === null) continue;
    const start = match.index + match[0].lastIndexOf(match[1]!);
    tags.push([tag, tag === "envoy.endpoint_address" ? addressOf(match[2]!) : match[2]!]);
    cuts.push([start, start + match[1]!.length]);
  }
  let name = fullName;
  for (const [start, end] of cuts.toSorted((a, b) => b[0] - a[0]))
    name = name.slice(0, start) + name.slice(end);
  return { name, tags };
}

/** "127.0.0.1_80" stands for "127.0.0.1:80" and "[__1]_80" for "[::1]:80". */
function addressOf(name: string): string {
  const port = name.lastIndexOf("_");
  const ip = name.slice(0, port);
  return `${ip.startsWith("[") ? ip.replaceAll("_", ":") : ip}:${name.slice(port + 1)}`;
}
