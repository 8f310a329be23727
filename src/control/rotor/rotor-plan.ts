import { isIP } from "node:net";
import { stringify } from "yaml";
import type { JsonValue } from "@bufbuild/protobuf";
import { readRotorFlags, type RotorFlags } from "./read-rotor-flags.ts";
import { readStaticResources } from "./static-resources.ts";

/** What a control plane must be told to do a Rotor's work. */
export interface RotorPlan {
  /** As for `--source`. */
  readonly source: string;
  /** As a mesh policy file would have it. */
  readonly policy: Readonly<Record<string, JsonValue>>;
  readonly host: string;
  readonly xdsPort: number;
  readonly logLevel: string;
  /** What most often is not answered with 2xx is logged, so many lines each period; undefined: not. */
  readonly errorLog: ErrorLog | undefined;
  /** Variables to set for the source. */
  readonly env: Readonly<Record<string, string>>;
  /** What of Rotor's settings does nothing, and why. */
  readonly notes: readonly string[];
}

export interface ErrorLog {
  readonly lines: number;
  readonly periodMs: number;
}

/** Rotor's own values, where they are not ours. */
const CONNECT_TIMEOUT_MS = 10_000;
const VIEW = "rotor";
/** How Rotor had proxies call the cluster that leads to it. */
const CONTROL_CLUSTER = "tbn-xds";

/**
 * Turns flags and variables of Rotor into a control plane's. Reads the file of static resources, if one is named. Throws
 * an Error that says what is wrong.
 */
export function planRotor(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): RotorPlan {
  const flags = readRotorFlags(argv, env);
  const [host, xdsPort] = listenAddress(flags.value("xds.addr"));
  const notes = [...flags.notes];
  const errorLog = errorLogOf(flags);
  const logs = errorLog !== undefined && { access_log: "control", control_cluster: CONTROL_CLUSTER };
  return {
    source: sourceOf(flags),
    policy: { ...policyOf(flags, env["ROTOR_LOCAL_CLUSTERS"] ?? "", notes), ...logs },
    host,
    xdsPort,
    logLevel: logLevel(flags.value("console.level")),
    errorLog,
    env: variablesOf(flags, env),
    notes,
  };
}

/** The plan as a command and a policy file, for who leaves Rotor behind. */
export function describePlan({ source, policy, host, xdsPort, logLevel }: RotorPlan): string {
  const level = logLevel === "info" ? "" : ` --log-level ${logLevel}`;
  return [
    `# weft control --source '${source}' --mesh mesh.yaml --host ${host} --xds-port ${xdsPort}${level}`,
    "# mesh.yaml:",
    // Policies are read as Envoy reads YAML, where y and no are booleans.
    stringify(policy, { version: "1.1" }).trimEnd(),
  ].join("\n");
}

/** As in Rotor, one line is none. */
function errorLogOf(flags: RotorFlags): ErrorLog | undefined {
  const text = flags.value("xds.grpc-log-top");
  const lines = Number(text);
  if (!Number.isInteger(lines) || lines < 0)
    throw new Error(`Cannot use Rotor's xds.grpc-log-top: "${text}" is not a number of lines`);
  const periodMs = milliseconds(flags, "xds.grpc-log-interval");
  return lines > 1 && periodMs > 0 ? { lines, periodMs } : undefined;
}

function sourceOf(flags: RotorFlags): string {
  const options: Record<string, string> = optionsOf(flags);
  const text = Object.entries(options)
    .filter(([name, value]) => value !== "" || name === "port_name")
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
  return `${flags.collector.source}:${text}`;
}

function optionsOf(flags: RotorFlags): Record<string, string> {
  const one = (name: string) => flags.value(name).replaceAll(",", "\\,");
  const list = (name: string) => flags.value(name);
  const needed = (name: string) => {
    if (flags.value(name) !== "") return one(name);
    throw new Error(`Cannot run Rotor's collector "${flags.collector.name}": --${name} is missing`);
  };
  const interval = duration(flags, "delay");
  switch (flags.collector.name) {
    case "kubernetes":
      return {
        mode: "pods",
        namespaces: one("namespace"),
        selector: one("selector"),
        cluster_label: one("cluster-label"),
        // An empty name means the first port, so it must be said.
        port_name: one("port-name"),
        timeout: duration(flags, "timeout"),
        url: one("kubernetes-host"),
        ca: one("ca-cert"),
        cert: one("client-cert"),
        key: one("client-key"),
      };
    case "consul":
      return {
        dc: needed("dc"),
        url: `${flags.value("use-ssl") === "true" ? "https" : "http"}://${one("hostport")}`,
        tag: one("cluster-tag"),
        tag_delimiter: one("tag-delimiter"),
      };
    case "aws":
      return {
        region: needed("aws.region"),
        vpc: needed("vpc-id"),
        filters: list("filters"),
        tag_prefix: one("cluster-tag-namespace"),
        interval,
      };
    case "ecs":
      return {
        region: needed("aws.region"),
        clusters: list("clusters"),
        label: one("cluster-tag"),
        interval,
      };
    case "marathon":
      return {
        url: `${needed("dcos.url").replace(/\/+$/, "")}/service/marathon`,
        token: one("dcos.acs-token"),
        label: one("cluster-label"),
        group_prefix: one("group-prefix"),
        selector: one("selector"),
        insecure: flags.value("dcos.insecure") === "true" ? "true" : "",
        timeout: duration(flags, "dcos.request-timeout"),
        interval,
      };
    default: {
      const [file = "", ...more] = [
        ...(flags.given("filename") ? [flags.value("filename")] : []),
        ...flags.args,
      ];
      if (file === "" || more.length > 0)
        throw new Error(
          `Cannot run Rotor's collector "file": give one file, with --filename or as the argument`,
        );
      return { path: file.replaceAll(",", "\\,") };
    }
  }
}

function policyOf(flags: RotorFlags, localClusters: string, notes: string[]): Record<string, JsonValue> {
  const port = Number(flags.value("xds.standalone-port"));
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(
      `Cannot use Rotor's xds.standalone-port: "${flags.value("xds.standalone-port")}" is not a port`,
    );
  const timeout = milliseconds(flags, "xds.default-timeout");
  const file = flags.value("xds.static-resources.filename");
  if (file !== "" && localClusters !== "")
    throw new Error("Cannot use ROTOR_LOCAL_CLUSTERS together with Rotor's xds.static-resources.filename");
  const fixed = file === "" ? undefined : readStaticResources(file);
  notes.push(...(fixed?.notes ?? []));
  const assignments = localClusters === "" ? [] : localAssignments(localClusters);
  const conflict = flags.value("xds.static-resources.conflict-behavior");
  if (conflict !== "merge" && conflict !== "overwrite")
    throw new Error(
      `Cannot use Rotor's xds.static-resources.conflict-behavior: "${conflict}" is not merge or overwrite`,
    );
  return {
    views: [
      {
        name: VIEW,
        match: {
          cluster: nodeField(flags, "cluster"),
          zone: nodeField(flags, "zone"),
        },
        edge: { listen: `0.0.0.0:${port}`, hosts: {} },
      },
    ],
    defaults: {
      timeout_ms: timeout,
      connect_timeout_ms: CONNECT_TIMEOUT_MS,
      retries: { attempts: 2, per_try_timeout_ms: timeout },
      balance: { policy: "least_request" },
      ...(fixed?.clusterTemplate !== undefined && { envoy: { cluster: fixed.clusterTemplate } }),
    },
    ...((fixed !== undefined || assignments.length > 0) && {
      static_resources: {
        clusters: fixed?.clusters ?? [],
        listeners: fixed?.listeners ?? [],
        load_assignments: [...(fixed?.loadAssignments ?? []), ...assignments],
        conflict_behavior: conflict,
      },
    }),
  };
}

function nodeField(flags: RotorFlags, field: "cluster" | "zone"): string {
  const documented = `xds.default-${field}`;
  return flags.given(documented) ? flags.value(documented) : flags.value(`xds.standalone-${field}`);
}

/** `name:port,…`: these clusters are on this machine. */
function localAssignments(text: string): JsonValue[] {
  return text.split(",").map((entry) => {
    const [, name = "", port = ""] = /^\s*([^:\s]+):(\d+)\s*$/.exec(entry) ?? [];
    if (name === "") throw new Error(`Cannot use ROTOR_LOCAL_CLUSTERS: "${entry}" is not NAME:PORT`);
    const address = { socket_address: { address: "127.0.0.1", port_value: Number(port) } };
    return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
  });
}

function variablesOf(
  flags: RotorFlags,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  const take = (variable: string, value: string | undefined) => {
    if (value !== undefined && value !== "") found[variable] = value;
  };
  if (flags.collector.name === "consul") take("WEFT_CONSUL_TOKEN", env["CONSUL_HTTP_TOKEN"]);
  take("AWS_ACCESS_KEY_ID", flags.value("aws.access-key-id"));
  take("AWS_SECRET_ACCESS_KEY", flags.value("aws.secret-access-key"));
  return found;
}

/** Go's listen address: `:50000` is all addresses. */
function listenAddress(text: string): [host: string, port: number] {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, Math.max(0, colon)).replace(/^\[(.*)\]$/, "$1");
  const port = Number(text.slice(colon + 1));
  if (
    colon < 0 ||
    !Number.isInteger(port) ||
    port > 65_535 ||
    (host !== "" && isIP(host) === 0 && host !== "localhost")
  )
    throw new Error(`Cannot use Rotor's xds.addr: "${text}" is not ADDRESS:PORT`);
  return [host === "" ? "0.0.0.0" : host, port];
}

function logLevel(level: string): string {
  if (["debug", "info", "error"].includes(level)) return level;
  if (level === "none") return "error";
  throw new Error(`Cannot use Rotor's console.level: "${level}" is not one of debug, info, error, none`);
}

/** Go's durations, "1m30s", as milliseconds. */
function milliseconds(flags: RotorFlags, name: string): number {
  const text = flags.value(name);
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  let total = 0;
  const rest = text.replaceAll(
    /(\d+(?:\.\d+)?)(ms|s|m|h)/g,
    (_, number: string, unit: keyof typeof units) => {
      total += Number(number) * units[unit];
      return "";
    },
  );
  if (text === "" || rest !== "")
    throw new Error(`Cannot use Rotor's ${name}: "${text}" is not a time such as 30s or 1m30s`);
  return Math.round(total);
}

function duration(flags: RotorFlags, name: string): string {
  return `${milliseconds(flags, name)}ms`;
}
