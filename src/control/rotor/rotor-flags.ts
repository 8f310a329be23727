/** What becomes of a flag of Rotor: it works, it has nothing to work on any more, or it cannot be had. */
export type Fate = "works" | "ignored" | "refused";

/** One flag of Rotor 0.19, its default there, and what it is here. */
export interface RotorFlag {
  readonly name: string;
  readonly fallback: string;
  readonly fate: Fate;
  /** What it becomes, or why nothing. */
  readonly becomes: string;
  /** It needs no value. */
  readonly boolean?: boolean;
}

/** A way of Rotor to find instances. */
export interface RotorCollector {
  readonly name: string;
  /** The source that does its work; undefined when there is none. */
  readonly source?: string;
  /** What is different, or what to use instead. */
  readonly remark: string;
  readonly flags: readonly RotorFlag[];
}

const HOUSTON = "its service, Houston, is gone";
const METRICS = "scrape /metrics of the control plane, and the proxies' own";

const works = (name: string, fallback: string, becomes: string): RotorFlag => ({
  name,
  fallback,
  fate: "works",
  becomes,
});
const ignored = (name: string, fallback: string, becomes: string, boolean = false): RotorFlag => ({
  name,
  fallback,
  fate: "ignored",
  becomes,
  ...(boolean && { boolean }),
});

const aws: readonly RotorFlag[] = [
  works("aws.region", "", "`region` of the source"),
  works("aws.access-key-id", "", "`AWS_ACCESS_KEY_ID`; without it, the default chain of credentials"),
  works("aws.secret-access-key", "", "`AWS_SECRET_ACCESS_KEY`"),
];

/** Flags that go before the collector; as variables `ROTOR_NAME`. */
export const globalFlags: readonly RotorFlag[] = [
  works("console.level", "info", "`--log-level`; `none` logs errors only"),
  works("delay", "30s", "time between two questions, of sources that poll"),
  ignored("diff.ignore-create", "false", "a pass always was a full replacement without Houston", true),
  ignored("diff.include-delete", "false", "a pass always was a full replacement without Houston", true),
  ignored("diff.dry-run", "false", "use `weft control diff`", true),
  ignored("api.key", "", HOUSTON),
  ignored("api.zone-name", "", HOUSTON),
  ignored("api.host", "api.turbinelabs.io", HOUSTON),
  ignored("api.ssl", "true", HOUSTON, true),
  ignored("api.insecure", "false", HOUSTON, true),
  ignored("api.header", "", HOUSTON),
  works("xds.addr", ":50000", "`--host` and `--xds-port`"),
  {
    name: "xds.disabled",
    fallback: "false",
    fate: "refused",
    becomes: "there would be nothing left to do",
    boolean: true,
  },
  works("xds.standalone-port", "80", "port of the one listener"),
  works(
    "xds.standalone-cluster",
    "default-cluster",
    "`node.cluster` of the proxies that are served; others are refused",
  ),
  works("xds.standalone-zone", "default-zone", "`node.locality.zone` of the proxies that are served"),
  works("xds.default-cluster", "", "as `xds.standalone-cluster`: Rotor's documentation names it so"),
  works("xds.default-zone", "", "as `xds.standalone-zone`"),
  works("xds.default-timeout", "60s", "`timeout_ms` and `per_try_timeout_ms` of all services"),
  ignored(
    "xds.resolve-dns",
    "false",
    "names are always resolved, and one that cannot be spoils nothing",
    true,
  ),
  ignored("xds.ca-file", "", "TLS to services is said by `tls` in the mesh policy"),
  ignored("xds.interval", "1s", HOUSTON),
  works(
    "xds.grpc-log-top",
    "0",
    "`access_log: control`, and so many lines of `weft control errors` in the log; the bootstrap must call the cluster of xDS `tbn-xds`",
  ),
  works("xds.grpc-log-interval", "5m", "time between two such logs, each of the last two of these times"),
  works(
    "xds.static-resources.filename",
    "",
    "`static_resources` of the mesh policy, from Envoy's v2 form to v3",
  ),
  works("xds.static-resources.format", "yaml", "YAML and JSON are told apart by themselves"),
  works("xds.static-resources.conflict-behavior", "merge", "`static_resources.conflict_behavior`"),
  ignored("stats.backends", "api", METRICS),
  ignored("stats.event-backends", "", METRICS),
  ignored("stats.node", "", METRICS),
  ignored("stats.source", "", METRICS),
  ignored("stats.unique-source", "", METRICS),
  ignored("stats.tags", "", METRICS),
];

/** Groups of flags that are all ignored alike. */
export const ignoredGroups: readonly { readonly prefix: string; readonly becomes: string }[] = [
  { prefix: "stats.", becomes: METRICS },
  { prefix: "api.", becomes: HOUSTON },
];

/** The collectors; their flags as variables are `ROTOR_COLLECTOR_NAME`. */
export const collectors: readonly RotorCollector[] = [
  {
    name: "kubernetes",
    source: "kubernetes",
    remark: "`mode=pods`, by watch. A pod that is not ready is unhealthy and not left out",
    flags: [
      works("namespace", "default", "`namespaces`"),
      works("selector", "", "`selector`"),
      works("cluster-label", "tbn_cluster", "`cluster_label`"),
      works("port-name", "http", "`port_name`"),
      works("timeout", "120s", "`timeout`"),
      works("kubernetes-host", "", "`url`; without it, in-cluster or a kubeconfig"),
      works("ca-cert", "", "`ca`"),
      works("client-cert", "", "`cert`"),
      works("client-key", "", "`key`"),
    ],
  },
  {
    name: "consul",
    source: "consul",
    remark:
      "By blocking queries. Instances with failing checks are unhealthy, which Rotor only told as metadata; `CONSUL_HTTP_TOKEN` counts",
    flags: [
      works("dc", "", "`dc`"),
      works("hostport", "localhost:8500", "`url`"),
      { ...works("use-ssl", "false", "`url` with https"), boolean: true },
      works("cluster-tag", "tbn-cluster", "`tag`"),
      works("tag-delimiter", "", "`tag_delimiter`"),
    ],
  },
  {
    name: "aws",
    source: "ec2",
    remark: "All pages are read, and the zone is known",
    flags: [
      works("vpc-id", "", "`vpc`"),
      works("filters", "", "`filters`"),
      works("cluster-tag-namespace", "tbn:cluster", "`tag_prefix`"),
      ...aws,
    ],
  },
  {
    name: "ecs",
    source: "ecs",
    remark: "Also awsvpc and Fargate; without `clusters` all of them",
    flags: [works("clusters", "", "`clusters`"), works("cluster-tag", "tbn-cluster", "`label`"), ...aws],
  },
  {
    name: "marathon",
    source: "marathon",
    remark: "An app that cannot be read keeps what it had",
    flags: [
      works("cluster-label", "tbn_cluster", "`label`"),
      works("group-prefix", "", "`group_prefix`"),
      works("selector", "", "`selector`"),
      works("dcos.url", "", "`url`, with /service/marathon behind it"),
      works("dcos.acs-token", "", "`token`"),
      { ...works("dcos.insecure", "false", "`insecure`"), boolean: true },
      works("dcos.request-timeout", "5s", "`timeout`"),
      {
        name: "dcos.toml-file",
        fallback: "",
        fate: "refused",
        becomes: "give `dcos.url` and `dcos.acs-token`, which are in that file",
      },
    ],
  },
  {
    name: "file",
    source: "file",
    remark: "Rotor's form of the file is read; hosts must be IP addresses",
    flags: [
      works("filename", "", "`path`; also as the one argument"),
      works("format", "json", "YAML and JSON are told apart by themselves"),
    ],
  },
  {
    name: "exp-envoy-cds-v1",
    remark:
      "Envoy's v1 API is gone; for a server of its SDS use `weft control --source lyft:url=…,services=…`",
    flags: [],
  },
  {
    name: "exp-envoy-cds-v1-file",
    remark: "Envoy's v1 API is gone; put the clusters into `static_resources` of a mesh policy",
    flags: [],
  },
  {
    name: "exp-envoy-cds-v2",
    remark: "Envoy's v2 API is gone",
    flags: [],
  },
  { name: "xds-only", remark: `It served what Houston said: ${HOUSTON}`, flags: [] },
];
