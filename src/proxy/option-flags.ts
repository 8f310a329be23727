// The command line of `weft proxy`: Envoy's flags, exactly, and a few of our own.

/** What a flag takes: nothing, text, or a whole number. */
export type FlagKind = "switch" | "text" | "number";

/** One flag of the command line. */
export interface Flag {
  /** Without the two dashes. */
  readonly name: string;
  /** One letter, without the dash. */
  readonly short?: string;
  readonly kind: FlagKind;
  readonly help: string;
  readonly repeated?: boolean;
  /** Accepted for compatibility: why it changes nothing here. Setting it is reported in the log. */
  readonly noEffect?: string;
}

const ALWAYS_REFUSED = "unknown fields of YAML and JSON are always refused";

/** All flags, in the order in which Envoy's help prints them; ours are at the end. */
export const FLAGS: readonly Flag[] = [
  {
    name: "stats-tag",
    kind: "text",
    repeated: true,
    help: "A universal tag for all stats in the form tag:value",
  },
  {
    name: "enable-core-dump",
    kind: "switch",
    help: "Enable core dumps",
    noEffect: "Node.js does not set the core limit",
  },
  { name: "socket-mode", kind: "text", help: "Socket file permission" },
  { name: "socket-path", kind: "text", help: "Path to hot restart socket file" },
  {
    name: "disable-extensions",
    kind: "text",
    help: "Comma-separated list of extensions to disable",
    noEffect: "extensions are chosen by the manifest",
  },
  {
    name: "cpuset-threads",
    kind: "switch",
    help: "Get the default # of worker threads from cpuset size",
    noEffect: "the cpuset is always respected",
  },
  {
    name: "enable-mutex-tracing",
    kind: "switch",
    help: "Enable mutex contention tracing",
    noEffect: "there are no mutexes",
  },
  {
    name: "disable-hot-restart",
    kind: "switch",
    help: "Disable hot restart functionality",
  },
  {
    name: "mode",
    kind: "text",
    help: "One of 'serve' (default; validate configs and then serve traffic normally), 'validate' (validate configs and exit) or 'init_only'",
  },
  {
    name: "parent-shutdown-time-s",
    kind: "number",
    help: "Hot restart parent shutdown time in seconds",
  },
  {
    name: "drain-strategy",
    kind: "text",
    help: "Hot restart and LDS removal drain sequence behaviour, one of 'gradual' (default) or 'immediate'.",
  },
  {
    name: "drain-time-s",
    kind: "number",
    help: "Hot restart, LDS removal and shutdown drain time in seconds",
  },
  {
    name: "file-flush-min-size-kb",
    kind: "number",
    help: "Minimum size in KB for log flushing",
  },
  {
    name: "file-flush-interval-msec",
    kind: "number",
    help: "Interval for log flushing in msec (default 1000)",
  },
  { name: "service-zone", kind: "text", help: "Zone name" },
  { name: "service-node", kind: "text", help: "Node name" },
  { name: "service-cluster", kind: "text", help: "Cluster name" },
  { name: "hot-restart-version", kind: "switch", help: "Hot restart compatibility version" },
  {
    name: "restart-epoch",
    kind: "number",
    help: "hot restart epoch #",
  },
  { name: "log-path", kind: "text", help: "Path to logfile" },
  {
    name: "enable-fine-grain-logging",
    kind: "switch",
    help: "File level log control",
    noEffect: "levels are kept per component",
  },
  {
    name: "log-format-escaped",
    kind: "switch",
    help: "Escape c-style escape sequences in the application logs",
  },
  { name: "log-format", kind: "text", help: "Log message format in spdlog syntax" },
  {
    name: "component-log-level",
    kind: "text",
    help: "Comma-separated list of component log levels. For example upstream:debug,config:trace",
  },
  {
    name: "log-level",
    short: "l",
    kind: "text",
    help: "Log levels: [trace][debug][info][warning|warn][error][critical][off]. Default is [info]",
  },
  { name: "local-address-ip-version", kind: "text", help: "The local IP address version (v4 or v6)" },
  { name: "admin-address-path", kind: "text", help: "File to which the admin address is written" },
  {
    name: "log-stacktrace-single-entry",
    kind: "switch",
    help: "Emit the entire stack trace in a single log entry",
    noEffect: "stack traces are always one entry",
  },
  {
    name: "skip-deprecated-logs",
    kind: "switch",
    help: "Skips the logging of deprecated field warnings",
    noEffect: "deprecated fields are not logged",
  },
  {
    name: "ignore-unknown-dynamic-fields",
    kind: "switch",
    help: "Ignore unknown fields in dynamic configuration",
    noEffect: ALWAYS_REFUSED,
  },
  {
    name: "reject-unknown-dynamic-fields",
    kind: "switch",
    help: "Reject unknown fields in dynamic configuration",
    noEffect: "fields that the protobuf decoder does not know are skipped",
  },
  {
    name: "allow-unknown-static-fields",
    kind: "switch",
    help: "Allow unknown fields in static configuration",
    noEffect: ALWAYS_REFUSED,
  },
  {
    name: "allow-unknown-fields",
    kind: "switch",
    help: "Allow unknown fields in static configuration (DEPRECATED)",
    noEffect: ALWAYS_REFUSED,
  },
  {
    name: "config-yaml",
    kind: "text",
    help: "Inline YAML configuration, merges with the contents of --config-path",
  },
  { name: "config-path", short: "c", kind: "text", help: "Path to configuration file" },
  { name: "concurrency", kind: "number", help: "# of worker threads to run" },
  {
    name: "base-id-path",
    kind: "text",
    help: "Path to which the base ID is written",
  },
  {
    name: "skip-hot-restart-parent-stats",
    kind: "switch",
    help: "Start with fresh stats",
  },
  {
    name: "skip-hot-restart-on-no-parent",
    kind: "switch",
    help: "Start even if there is no parent",
  },
  {
    name: "use-dynamic-base-id",
    kind: "switch",
    help: "The server chooses a base ID dynamically",
  },
  {
    name: "base-id",
    kind: "number",
    help: "Base ID so that multiple proxies can run on the same host if needed",
  },
  {
    name: "allow-unsupported",
    kind: "switch",
    help: "Weft: warn about configuration fields that have no support here instead of refusing them",
  },
  {
    name: "hot-restart",
    kind: "switch",
    help: "Weft: stay as a supervisor whose proxy process is replaced at SIGHUP or by `weft restart`",
  },
  { name: "version", kind: "switch", help: "Displays version information and exits." },
  { name: "help", short: "h", kind: "switch", help: "Displays usage information and exits." },
];

/** The "USAGE" part of help and of errors. */
export function usage(program: string): string {
  const lines: string[] = [];
  let line = `   ${program} `;
  for (const flag of FLAGS) {
    const text = ` [${flagText(flag)}]${flag.repeated ? " ..." : ""}`;
    if (line.length + text.length > 78) {
      lines.push(line);
      line = " ".repeat(15);
    }
    line += text;
  }
  return [...lines, line].join("\n");
}

/** What `--help` prints. */
export function helpText(program: string): string {
  const flags = FLAGS.map((flag) => {
    const value = flag.kind === "switch" ? "" : ` <${flag.kind === "number" ? "uint32_t" : "string"}>`;
    const short = flag.short === undefined ? "" : `-${flag.short}${value},  `;
    const note = flag.noEffect === undefined ? "" : ` (no effect: ${flag.noEffect})`;
    return `   ${short}--${flag.name}${value}\n     ${flag.help}${note}\n`;
  });
  return `\nUSAGE: \n\n${usage(program)}\n\n\nWhere: \n\n${flags.join("\n")}\n`;
}

function flagText(flag: Flag): string {
  const name = flag.short === undefined ? `--${flag.name}` : `-${flag.short}`;
  return flag.kind === "switch" ? name : `${name} <${flag.kind === "number" ? "uint32_t" : "string"}>`;
}
