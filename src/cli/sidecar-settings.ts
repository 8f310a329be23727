import { hostname } from "node:os";
import { UsageError } from "./command.ts";
import type { BootstrapOptions, ControlTls } from "./proxy-bootstrap.ts";
import { ignoredVariables, sidecarVariables } from "./sidecar-variables.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What `weft sidecar` makes of the environment. */
export interface SidecarSettings {
  readonly bootstrap: BootstrapOptions;
  /** Flags of `weft proxy`. */
  readonly args: readonly string[];
  /** Variables that do nothing, and why. */
  readonly notes: readonly string[];
}

/** Reads the variables; those of envoy-simple count where ours are not set. Throws a UsageError that names the wrong one. */
export function sidecarSettings(env: Environment): SidecarSettings {
  const get = (name: string) => valueOf(env, name);
  const service = get("WEFT_SERVICE");
  const control = (get("WEFT_CONTROL") ?? simpleControl(env))
    .split(",")
    .map((each) => address("WEFT_CONTROL", each.trim()))
    .join();
  const admin = address("WEFT_ADMIN", get("WEFT_ADMIN") ?? simpleAdmin(env));
  const [adminHost, adminPort] = split(admin);
  const region = get("WEFT_REGION");
  const zone = get("WEFT_ZONE") ?? (service === undefined ? "default-zone" : undefined);
  const subZone = get("WEFT_SUB_ZONE");
  const adminLog = get("WEFT_ADMIN_LOG");
  const tls = controlTls(env, control);
  const connectTimeout = seconds(env, "WEFT_CONTROL_CONNECT_TIMEOUT");
  const keepaliveInterval = seconds(env, "WEFT_CONTROL_KEEPALIVE");
  return {
    bootstrap: {
      control,
      nodeId: get("WEFT_NODE_ID") ?? hostname(),
      cluster: get("WEFT_NODE_CLUSTER") ?? service ?? "default-cluster",
      view: "any",
      adminHost,
      adminPort,
      ...(region !== undefined && { region }),
      ...(zone !== undefined && { zone }),
      ...(subZone !== undefined && { subZone }),
      ...(adminLog !== undefined && { adminLog }),
      ...(tls !== undefined && { tls }),
      ...(connectTimeout !== undefined && { connectTimeout }),
      ...(keepaliveInterval !== undefined && { keepaliveInterval }),
      ...(service !== undefined && { sidecar: sidecarPlaces(env, service) }),
    },
    args: proxyFlags(env),
    notes: Object.keys(env).flatMap((name) => {
      const ignored =
        env[name] === "" ? undefined : ignoredVariables.find(({ pattern }) => pattern.test(name));
      return ignored === undefined ? [] : [`${name} does nothing here: ${ignored.why.replaceAll("`", "")}`];
    }),
  };
}

/** Our variable, else envoy-simple's; undefined when neither is set or both are empty. */
function valueOf(env: Environment, name: string): string | undefined {
  const { simple } = sidecarVariables.find((each) => each.name === name)!;
  return env[name] || (simple.includes(",") ? undefined : env[simple]) || undefined;
}

function simpleControl(env: Environment): string {
  const { ENVOY_XDS_HOST: host, ENVOY_XDS_PORT: port } = env;
  return host || port ? `${host || "127.0.0.1"}:${port || "50000"}` : "127.0.0.1:18000";
}

function simpleAdmin(env: Environment): string {
  const { ENVOY_ADMIN_IP: host, ENVOY_ADMIN_PORT: port } = env;
  return host || port ? `${host || "127.0.0.1"}:${port || "9999"}` : "127.0.0.1:9901";
}

function sidecarPlaces(env: Environment, service: string): NonNullable<BootstrapOptions["sidecar"]> {
  const place = (name: string): string => {
    const value = valueOf(env, name);
    if (value === undefined) throw new UsageError(`A sidecar of "${service}" needs ${name}, as ADDRESS:PORT`);
    return address(name, value);
  };
  const [inbound, outbound, app] = ["WEFT_INBOUND", "WEFT_OUTBOUND", "WEFT_APP"].map(place);
  return { service, inbound: inbound!, outbound: outbound!, app: app! };
}

function controlTls(env: Environment, control: string): ControlTls | undefined {
  const [ca, cert, key] = ["CA", "CERT", "KEY"].map((part) => valueOf(env, `WEFT_CONTROL_${part}`));
  if (ca === undefined) {
    if (cert === undefined && key === undefined) return undefined;
    throw new UsageError("TLS to the control plane needs WEFT_CONTROL_CA: whom to trust");
  }
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError("WEFT_CONTROL_CERT and WEFT_CONTROL_KEY need each other");
  const hosts = new Set(control.split(",").map((each) => split(each)[0]));
  const name = valueOf(env, "WEFT_CONTROL_NAME") ?? [...hosts][0]!;
  if (hosts.size > 1 && valueOf(env, "WEFT_CONTROL_NAME") === undefined)
    throw new UsageError(
      "TLS to several control planes needs WEFT_CONTROL_NAME: a name that all their certificates have",
    );
  return { ca, name, ...(cert !== undefined && key !== undefined && { cert, key }) };
}

function proxyFlags(env: Environment): string[] {
  const flag = (name: string, variable: string): string[] => {
    const value = valueOf(env, variable);
    return value === undefined ? [] : [name, value];
  };
  const more = valueOf(env, "WEFT_ARGS")?.trim();
  return [
    ...flag("--base-id", "WEFT_BASE_ID"),
    ...flag("--log-level", "WEFT_LOG_LEVEL"),
    ...(more === undefined || more === "" ? [] : more.split(/\s+/)),
  ];
}

function seconds(env: Environment, name: string): number | undefined {
  const text = valueOf(env, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`Cannot use ${name}: "${text}" is not a number of seconds`);
}

function address(name: string, text: string): string {
  const port = Number(text.slice(text.lastIndexOf(":") + 1));
  if (/^(\[[\da-fA-F:.]+\]|[^\s:/[\]]+):\d+$/.test(text) && port <= 65_535) return text;
  throw new UsageError(`Cannot use ${name}: "${text}" is not ADDRESS:PORT`);
}

function split(text: string): [host: string, port: number] {
  const colon = text.lastIndexOf(":");
  return [text.slice(0, colon), Number(text.slice(colon + 1))];
}
