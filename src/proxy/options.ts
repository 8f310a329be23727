import { DEFAULT_LOG_FORMAT, parseLogLevel, type LogLevel } from "./main/log-format.ts";
import { LOG_COMPONENTS } from "./main/log-components.ts";
import { FLAGS, usage, type Flag } from "./option-flags.ts";

/** What a proxy is started with. Times are milliseconds. */
export interface ProxyOptions {
  /** Bootstrap file; "" for none. */
  configPath: string;
  /** Bootstrap text that is merged over the file; "" for none. */
  configYaml: string;
  mode: "serve" | "validate" | "init_only";
  /** Worker threads; undefined = the CPUs that this process may use. */
  concurrency: number | undefined;
  baseId: number;
  restartEpoch: number;
  serviceCluster: string;
  serviceNode: string;
  serviceZone: string;
  logLevel: LogLevel;
  /** By component, over `logLevel`. */
  componentLogLevels: Readonly<Record<string, LogLevel>>;
  logFormat: string;
  logFormatEscaped: boolean;
  /** "" = standard error. */
  logPath: string;
  /** How long a removed listener's connections may go on. */
  drainTime: number;
  /** Whether `drainTime` was given; a shutdown waits a shorter time by default. */
  drainTimeGiven: boolean;
  drainStrategy: "gradual" | "immediate";
  /** How long a generation may go on after it was replaced. */
  parentShutdownTime: number;
  /** Stay as a supervisor of generations of processes. */
  hotRestart: boolean;
  disableHotRestart: boolean;
  skipHotRestartOnNoParent: boolean;
  skipHotRestartParentStats: boolean;
  useDynamicBaseId: boolean;
  /** "" = not written. */
  baseIdPath: string;
  /** Where generations find each other; a leading "@" means the abstract namespace. */
  socketPath: string;
  /** Permissions of a socket that is a file. */
  socketMode: number;
  fileFlushInterval: number;
  fileFlushMinSizeKb: number;
  adminAddressPath: string;
  localAddressIpVersion: "v4" | "v6";
  allowUnknownStaticFields: boolean;
  rejectUnknownDynamicFields: boolean;
  ignoreUnknownDynamicFields: boolean;
  /** Fields without support are warnings instead of errors. */
  allowUnsupported: boolean;
  disabledExtensions: readonly string[];
  statsTags: readonly { readonly name: string; readonly value: string }[];
  /** Flags that were given and have no effect here, with the reason. */
  withoutEffect: readonly string[];
}

const DEFAULT_SOCKET_PATH = "@weft_domain_socket";

/** What the command line asks for. */
export type ProxyCommand =
  | { readonly kind: "run"; readonly options: ProxyOptions }
  | { readonly kind: "help" | "version" | "hot-restart-version" };

/** A command line that cannot be used; `message` is what to print, exit code 1. */
export class OptionsError extends Error {}

/** What a proxy without any flags runs with. */
export function defaultOptions(): ProxyOptions {
  return {
    configPath: "",
    configYaml: "",
    mode: "serve",
    concurrency: undefined,
    baseId: 0,
    restartEpoch: 0,
    serviceCluster: "",
    serviceNode: "",
    serviceZone: "",
    logLevel: "info",
    componentLogLevels: {},
    logFormat: DEFAULT_LOG_FORMAT,
    logFormatEscaped: false,
    logPath: "",
    drainTime: 600_000,
    drainTimeGiven: false,
    drainStrategy: "gradual",
    parentShutdownTime: 900_000,
    hotRestart: false,
    disableHotRestart: false,
    skipHotRestartOnNoParent: false,
    skipHotRestartParentStats: false,
    useDynamicBaseId: false,
    baseIdPath: "",
    socketPath: DEFAULT_SOCKET_PATH,
    socketMode: 0o600,
    fileFlushInterval: 1000,
    fileFlushMinSizeKb: 64,
    adminAddressPath: "",
    localAddressIpVersion: "v4",
    allowUnknownStaticFields: false,
    rejectUnknownDynamicFields: false,
    ignoreUnknownDynamicFields: false,
    allowUnsupported: false,
    disabledExtensions: [],
    statsTags: [],
    withoutEffect: [],
  };
}

/** Reads the arguments behind `weft proxy`. Throws an OptionsError with Envoy's text. */
export function parseProxyCommand(argv: readonly string[], program = "weft proxy"): ProxyCommand {
  const given = readFlags(argv, program);
  if (given.has("help")) return { kind: "help" };
  if (given.has("version")) return { kind: "version" };
  if (given.has("hot-restart-version")) return { kind: "hot-restart-version" };
  return { kind: "run", options: toOptions(given) };
}

type Given = Map<string, string[]>;

function readFlags(argv: readonly string[], program: string): Given {
  const given: Given = new Map();
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!;
    if (argument === "--" || argument === "--ignore_rest") break;
    const found = findFlag(argument);
    if (found === undefined) throw parseError(program, argument, "Couldn't find match for argument");
    const { flag } = found;
    const label = flag.short === undefined ? `(--${flag.name})` : `-${flag.short} (--${flag.name})`;
    let value = found.value;
    if (flag.kind === "switch" && value !== undefined)
      throw parseError(program, argument, "Couldn't find match for argument");
    if (flag.kind !== "switch" && value === undefined) {
      if (i + 1 >= argv.length) throw parseError(program, label, "Missing a value for this argument!");
      value = argv[++i]!;
    }
    if (given.has(flag.name) && !flag.repeated) throw parseError(program, label, "Argument already set!");
    if (flag.kind === "number" && (!/^\d+$/.test(value!) || Number(value) > 0xffff_ffff))
      throw parseError(program, label, `Couldn't read argument value from string '${value}'`);
    given.set(flag.name, [...(given.get(flag.name) ?? []), value ?? ""]);
  }
  return given;
}

function findFlag(argument: string): { flag: Flag; value: string | undefined } | undefined {
  const match = /^(--?)([A-Za-z][A-Za-z0-9-]*)(?:=(.*))?$/s.exec(argument);
  if (match === null) return undefined;
  const [, dashes, name, value] = match;
  const flag = FLAGS.find((f) => (dashes === "--" ? f.name === name : f.short === name));
  return flag === undefined ? undefined : { flag, value };
}

function parseError(program: string, argument: string, problem: string): OptionsError {
  const head = `PARSE ERROR: Argument: ${argument}\n             ${problem}`;
  const tail = `For complete USAGE and HELP type: \n   ${program} --help\n`;
  return new OptionsError(`${head}\n\nBrief USAGE: \n${usage(program)}\n\n${tail}`);
}

function toOptions(given: Given): ProxyOptions {
  const options = defaultOptions();
  const text = (name: string): string | undefined => given.get(name)?.[0];
  const number = (name: string, fallback: number): number => Number(text(name) ?? fallback);
  options.configPath = text("config-path") ?? "";
  options.configYaml = text("config-yaml") ?? "";
  options.mode = oneOf(text("mode"), ["serve", "validate", "init_only"], (v) => `error: unknown mode '${v}'`);
  if (given.has("concurrency")) options.concurrency = Math.max(1, number("concurrency", 1));
  options.baseId = number("base-id", 0);
  options.restartEpoch = number("restart-epoch", 0);
  options.serviceCluster = text("service-cluster") ?? "";
  options.serviceNode = text("service-node") ?? "";
  options.serviceZone = text("service-zone") ?? "";
  options.logLevel = level(text("log-level") ?? "info", (v) => `error: invalid log level specified '${v}'`);
  options.componentLogLevels = componentLevels(text("component-log-level") ?? "");
  options.logFormat = text("log-format") ?? options.logFormat;
  options.logFormatEscaped = given.has("log-format-escaped");
  options.logPath = text("log-path") ?? "";
  options.drainTime = number("drain-time-s", 600) * 1000;
  options.drainTimeGiven = given.has("drain-time-s");
  options.drainStrategy = oneOf(
    text("drain-strategy"),
    ["gradual", "immediate"],
    (v) => `error: unknown drain-strategy '${v}'`,
  );
  options.parentShutdownTime = number("parent-shutdown-time-s", 900) * 1000;
  options.hotRestart = given.has("hot-restart");
  options.disableHotRestart = given.has("disable-hot-restart");
  options.skipHotRestartOnNoParent = given.has("skip-hot-restart-on-no-parent");
  options.skipHotRestartParentStats = given.has("skip-hot-restart-parent-stats");
  options.useDynamicBaseId = given.has("use-dynamic-base-id");
  options.baseIdPath = text("base-id-path") ?? "";
  options.socketPath = text("socket-path") ?? options.socketPath;
  if (given.has("socket-mode")) options.socketMode = Number.parseInt(text("socket-mode")!, 8);
  if (options.useDynamicBaseId && options.restartEpoch > 0)
    throw new OptionsError(
      "error: cannot use --restart-epoch=" + String(options.restartEpoch) + " with --use-dynamic-base-id",
    );
  options.fileFlushInterval = number("file-flush-interval-msec", 1000);
  options.fileFlushMinSizeKb = number("file-flush-min-size-kb", 64);
  options.adminAddressPath = text("admin-address-path") ?? "";
  options.localAddressIpVersion = oneOf(
    text("local-address-ip-version"),
    ["v4", "v6"],
    (v) => `error: unknown IP address version '${v}'`,
  );
  options.allowUnknownStaticFields =
    given.has("allow-unknown-static-fields") || given.has("allow-unknown-fields");
  options.rejectUnknownDynamicFields = given.has("reject-unknown-dynamic-fields");
  options.ignoreUnknownDynamicFields = given.has("ignore-unknown-dynamic-fields");
  options.allowUnsupported = given.has("allow-unsupported");
  options.disabledExtensions = (text("disable-extensions") ?? "").split(",").filter((name) => name !== "");
  options.statsTags = (given.get("stats-tag") ?? []).map(statsTag);
  options.withoutEffect = FLAGS.filter((flag) => flag.noEffect !== undefined && given.has(flag.name)).map(
    (flag) => `--${flag.name} has no effect: ${flag.noEffect}`,
  );
  return options;
}

function oneOf<T extends string>(
  value: string | undefined,
  choices: readonly [T, ...T[]],
  problem: (value: string) => string,
): T {
  if (value === undefined) return choices[0];
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new OptionsError(problem(value));
  return found;
}

function level(value: string, problem: (value: string) => string): LogLevel {
  const found = parseLogLevel(value);
  if (found === undefined) throw new OptionsError(problem(value));
  return found;
}

function componentLevels(text: string): Record<string, LogLevel> {
  const levels: Record<string, LogLevel> = {};
  for (const part of text.split(",")) {
    if (part === "") continue;
    const pieces = part.split(":");
    if (pieces.length !== 2) {
      throw new OptionsError(`error: component log level not correctly specified '${part}'`);
    }
    const [component, value] = pieces as [string, string];
    levels[component] = level(value, (v) => `error: invalid log level specified '${v}'`);
    if (!LOG_COMPONENTS.includes(component)) {
      throw new OptionsError(`error: invalid component specified '${component}'`);
    }
  }
  return levels;
}

function statsTag(text: string): { name: string; value: string } {
  const at = text.indexOf(":");
  const name = text.slice(0, at);
  const value = text.slice(at + 1);
  if (at < 0) throw new OptionsError(`error: misformatted stats-tag '${text}'`);
  if (!/^[A-Za-z0-9]+$/.test(name)) {
    throw new OptionsError(`error: misformatted stats-tag '${text}' contains invalid char in '${name}'`);
  }
  if (value.includes(".")) {
    throw new OptionsError(`error: misformatted stats-tag '${text}' contains invalid char in '${value}'`);
  }
  return { name, value };
}
