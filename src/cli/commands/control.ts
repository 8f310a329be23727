import { collect, onTermination, parsePort, UsageError, type CliCommand } from "../command.ts";
import { addApiFlags, apiAccess, type ApiFlags } from "../control/api-flags.ts";
import { askControl, callControl } from "../control/ask-control.ts";
import { defineDeploymentCommands } from "../control/deployment-commands.ts";
import { defineErrorsCommand } from "../control/errors-command.ts";
import { defineExplainCommand } from "../control/explain-command.ts";
import { defineHistoryCommands } from "../control/history-commands.ts";
import { defineLookCommands } from "../control/look-commands.ts";
import { definePolicyCommands } from "../control/policy-commands.ts";
import type { SourceLog } from "../../control/catalog/source.ts";
import type { RevisionStore } from "../../control/store/revision-store.ts";
import { defineTestClientCommand } from "../control/test-client-command.ts";
import { addEtcdFlags, etcdPlace, type EtcdFlags } from "../etcd-flags.ts";
import { addTrafficFlags, trafficSettings, type TrafficFlags } from "../control/traffic-flags.ts";
import { addXdsFlags, xdsOptions, type XdsFlags } from "../control/xds-flags.ts";
import { programLog } from "../program-log.ts";
import { printTable } from "../table.ts";

const DEFAULT_API = "http://127.0.0.1:18001";

interface ServeOptions extends EtcdFlags, XdsFlags, ApiFlags, TrafficFlags {
  source: string[];
  mesh?: string;
  host: string;
  xdsPort: number;
  apiPort: number;
  lastGood?: string;
  auditLog?: string;
  secrets?: string;
  store?: string;
  maxHold: string;
  logLevel: string;
}

interface NodeJson {
  id: string;
  cluster: string;
  peer: string;
  view: string;
  connected_at: string;
  types: { type: string; state: string; accepted: string; error: string }[];
}

interface SourceJson {
  name: string;
  services: number;
  endpoints: number;
  last_success: string | null;
  error: string;
  holds: {
    service: string;
    reason: string;
    since: string;
    age_seconds: number;
    until: string | null;
    kept: number;
    reported: number;
  }[];
}

interface ServiceJson {
  name: string;
  endpoints: {
    address: string;
    health: string;
    weight: number;
    zone: string;
    version: string;
    source: string;
  }[];
}

/** `weft control`: discovery sources in, xDS out. */
export const controlCommand: CliCommand = {
  define(program) {
    const control = program
      .command("control")
      .description("the control plane: reads discovery sources, serves xDS to Weft, Envoy and gRPC clients");
    const serving = control
      .command("serve", { isDefault: true })
      .description("run the control plane")
      .requiredOption(
        "--source <name:option=value,…>",
        "where services live, e.g. registry:url=URL or file:path=DIR; repeatable; weft control kinds lists them all",
        collect,
      )
      .option("--mesh <file>", "mesh policy (routes, auth, retries); reloaded when it changes")
      .option("--host <address>", "address to listen on", "127.0.0.1")
      .option("--xds-port <port>", "port of the xDS server (gRPC)", parsePort, 18_000)
      .option("--api-port <port>", "port of API, metrics, health and REST xDS", parsePort, 18_001)
      .option("--last-good <file>", "keep the last known good catalog here and start from it")
      .option(
        "--store <file>",
        "keep the history of policy and deployments here; default: as long as it runs",
      )
      .option(
        "--max-hold <seconds>",
        "let go of services that vanished or emptied unconfirmed after this time",
        "never",
      )
      .option(
        "--audit-log <file>",
        "append every change of what proxies are told to this file, as JSON lines",
      )
      .option("--log-level <level>", "debug, info, warn or error", "info")
      .action(serve);
    serving.option(
      "--secrets <folder>",
      "NAME.crt with NAME.key, NAME.ca.crt: secrets that proxies may ask for by name",
    );
    addXdsFlags(serving);
    addApiFlags(serving);
    addTrafficFlags(serving);
    addEtcdFlags(serving, "/weft/control/");
    const api = ["--api <url>", "address of the control plane's API", DEFAULT_API] as const;
    control
      .command("nodes")
      .description("connected proxies: view, what they have, what they rejected")
      .option(...api)
      .action(nodes);
    control
      .command("sources")
      .description("discovery sources: age, errors, held endpoints")
      .option(...api)
      .action(sources);
    control
      .command("kinds [source]")
      .description("the kinds of discovery sources and their options")
      .action(kinds);
    control
      .command("services")
      .description("services and endpoints that proxies get")
      .option(...api)
      .action(services);
    control
      .command("release <service>")
      .description("believe the sources about a service whose endpoints are held")
      .option(...api)
      .action(release);
    defineErrorsCommand(control, DEFAULT_API);
    defineExplainCommand(control, DEFAULT_API);
    defineLookCommands(control, DEFAULT_API);
    defineTestClientCommand(control);
    definePolicyCommands(control, DEFAULT_API);
    defineDeploymentCommands(control, DEFAULT_API);
    defineHistoryCommands(control, DEFAULT_API);
  },
};

async function serve(options: ServeOptions): Promise<void> {
  const { startControl } = await import("../../control/control.ts");
  const { defaultHoldOptions } = await import("../../control/catalog/hold.ts");
  const { loadParts } = await import("../../proxy/main/parts.ts");
  const { ledgers } = await loadParts();
  const log = programLog("control", options.logLevel);
  const maxHoldMs = options.maxHold === "never" ? Number.POSITIVE_INFINITY : Number(options.maxHold) * 1000;
  if (!(maxHoldMs >= 0)) throw new Error(`"${options.maxHold}" is not a time to hold: give seconds or never`);
  const store = await openStore(options, log);
  const control = await startControl({
    sources: options.source,
    host: options.host,
    xdsPort: options.xdsPort,
    xds: xdsOptions(options),
    traffic: trafficSettings(options),
    apiPort: options.apiPort,
    apiAccess: apiAccess(options),
    hold: { ...defaultHoldOptions, maxHoldMs },
    weft: ledgers,
    log,
    ...(options.mesh !== undefined && { mesh: options.mesh }),
    ...(options.lastGood !== undefined && { lastGood: options.lastGood }),
    ...(options.auditLog !== undefined && { auditLog: options.auditLog }),
    ...(options.secrets !== undefined && { secrets: options.secrets }),
    ...(store !== undefined && { store }),
  });
  log.info(
    `xDS on ${options.host}:${control.xdsPort}, API on ${options.apiTlsCert === undefined ? "http" : "https"}://${options.host}:${control.apiPort}`,
  );
  onTermination(() => control.close());
}

/** Undefined when the history is not to be kept. */
async function openStore(options: ServeOptions, log: SourceLog): Promise<RevisionStore | undefined> {
  const place = etcdPlace(options);
  if (place !== undefined && options.store !== undefined)
    throw new UsageError("--store and --etcd are two places for the history: give one of them");
  if (place !== undefined) {
    const { EtcdRevisionStore } = await import("../../control/store/etcd-revision-store.ts");
    const onTrouble = (error: string) =>
      error === "" ? log.info("etcd can be followed again") : log.warn(`cannot follow etcd: ${error}`);
    const open = async () => EtcdRevisionStore.open({ ...place, onTrouble });
    if (options.lastGood === undefined) return open();
    const { KeptRevisionStore } = await import("../../control/store/kept-revision-store.ts");
    const name = `etcd at ${place.urls.join(", ")}`;
    return KeptRevisionStore.open({ file: `${options.lastGood}.revision`, name, open, log });
  }
  if (options.store === undefined) return undefined;
  const { SqliteRevisionStore } = await import("../../control/store/sqlite-revision-store.ts");
  return new SqliteRevisionStore({ path: options.store });
}

async function nodes({ api }: { api: string }): Promise<void> {
  const answer = await askControl<{ nodes: NodeJson[]; left_out_for_weft: string[] }>(api, "/v1/nodes");
  const list = answer.nodes;
  const rows = list.map((node) => [
    node.id,
    node.cluster,
    node.view || "-",
    node.peer,
    ago(node.connected_at),
    ...["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"].map(
      (name) => node.types.find((type) => type.type.endsWith(`.${name}`))?.state ?? "-",
    ),
  ]);
  printTable(["NODE", "CLUSTER", "VIEW", "FROM", "SINCE", "CDS", "EDS", "LDS", "RDS"], rows);
  for (const node of list) {
    for (const type of node.types)
      if (type.state === "nacked") console.log(`${node.id} rejects ${type.type}: ${type.error}`);
  }
  for (const text of answer.left_out_for_weft) console.log(`weft proxies do without ${text}`);
}

async function sources({ api }: { api: string }): Promise<void> {
  const { sources: list } = await askControl<{ sources: SourceJson[] }>(api, "/v1/sources");
  printTable(
    ["SOURCE", "SERVICES", "ENDPOINTS", "LAST READ", "ERROR"],
    list.map((source) => [
      source.name,
      source.services,
      source.endpoints,
      source.last_success === null ? "never" : `${ago(source.last_success)} ago`,
      source.error || "-",
    ]),
  );
  for (const source of list) {
    for (const hold of source.holds) {
      console.log(
        `${source.name} holds ${hold.kept} endpoints of ${hold.service} for ${age(hold.age_seconds)}, ` +
          `${hold.until === null ? "until it is confirmed" : `until ${hold.until}`}: ${hold.reason} (it reports ${hold.reported})`,
      );
    }
  }
}

async function kinds(name: string | undefined): Promise<void> {
  const { sources: all } = await import("../../control/sources/index.ts");
  const { commonOptions } = await import("../../control/catalog/common-options.ts");
  const { describeOptions } = await import("../../control/catalog/source-docs.ts");
  const { optionVariable } = await import("../../control/catalog/source-options.ts");
  const shown = all.filter((source) => name === undefined || source.name === name);
  if (shown.length === 0) {
    const names = all.map((source) => source.name).join(", ");
    throw new UsageError(`There is no source "${name}": it must be one of ${names}`);
  }
  if (name === undefined) {
    printTable(
      ["SOURCE", "READS", "REQUIRED"],
      all.map((source) => [
        source.name,
        source.description.replaceAll("`", ""),
        describeOptions(source)
          .filter(({ fallback }) => fallback === "required")
          .map((option) => option.name)
          .join(", "),
      ]),
    );
    console.log(
      "\nUse one as --source SOURCE:option=value,option=value; weft control kinds SOURCE tells its options.",
    );
    return;
  }
  const [source] = shown;
  console.log(`${source!.name}: ${source!.description.replaceAll("`", "")}\n`);
  printTable(
    ["OPTION", "VARIABLE", "DEFAULT", "MEANING"],
    describeOptions({ ...source!, options: { ...source!.options, ...commonOptions } }).map((option) => [
      option.name,
      optionVariable(source!.name, option.name),
      option.fallback || "-",
      option.meaning.replaceAll("`", ""),
    ]),
  );
}

async function services({ api }: { api: string }): Promise<void> {
  const { services: list } = await askControl<{ services: ServiceJson[] }>(api, "/v1/services");
  const rows = list.flatMap(({ name, endpoints }) =>
    endpoints.length === 0
      ? [[name, "(none)", "", "", "", "", ""]]
      : endpoints.map((e) => [
          name,
          e.address,
          e.health,
          e.weight,
          e.zone || "-",
          e.version || "-",
          e.source,
        ]),
  );
  printTable(["SERVICE", "ENDPOINT", "HEALTH", "WEIGHT", "ZONE", "VERSION", "SOURCE"], rows);
}

async function release(service: string, { api }: { api: string }): Promise<void> {
  await callControl(api, `/v1/holds/${encodeURIComponent(service)}`, "DELETE");
  console.log(`${service} is what its sources say`);
}

function ago(time: string): string {
  return age((Date.now() - Date.parse(time)) / 1000);
}

/** Seconds as people say them: "40 s", "5 min", "3 h", "2 d". */
function age(seconds: number): string {
  const [unit, size] =
    seconds < 120 ? ["s", 1] : seconds < 7200 ? ["min", 60] : seconds < 172_800 ? ["h", 3600] : ["d", 86_400];
  return `${Math.max(0, Math.round(seconds / Number(size)))} ${unit}`;
}
