import { enableCompileCache, getCompileCacheDir } from "node:module";
import type { ServerState } from "./admin/admin-host.ts";
import { ProcessLog } from "./main/process-log.ts";
import { Supervised } from "./hot-restart/supervised.ts";
import { helpText } from "./option-flags.ts";
import { ENVOY_VERSION, WEFT_VERSION } from "./version.ts";
import { OptionsError, parseProxyCommand, type ProxyOptions } from "./options.ts";

export interface ProxyServer {
  /** "ip:port"; undefined without an admin address in the bootstrap. */
  readonly adminAddress: string | undefined;
  /** Addresses that clients can connect to, with the real ports. */
  listeners(): readonly { readonly name: string; readonly address: string }[];
  state(): ServerState;
  /** What SIGTERM does: stop accepting, let open connections finish, close. A second call closes at once. */
  drain(): void;
  /** Closes now. */
  close(): Promise<number>;
  /** Opens access logs and the process log anew, after rotation. */
  reopenLogs(): void;
  /** Resolves with the exit code when everything is closed. */
  readonly closed: Promise<number>;
}

/** Parts of a start that tests change. */
export interface StartOptions {
  /** Extension manifest instead of the built-in one, as a file URL. */
  readonly manifest?: string;
  readonly log?: ProcessLog;
  /** The supervisor that started this process. */
  readonly supervised?: Supervised | undefined;
}

/** What of Envoy's hot restart protocol is claimed. */
const HOT_RESTART_VERSION = "11.104";

/**
 * Starts a proxy; resolves when it is LIVE. Rejects with an Error that says all that is wrong, having closed everything.
 */
export async function startProxy(options: ProxyOptions, start: StartOptions = {}): Promise<ProxyServer> {
  const log = start.log ?? openLog(options);
  // Everything heavy is loaded here, so that it comes from the compile cache if that was turned on.
  const [{ launchProxy }, { HotRestart }] = await Promise.all([
    import("./main/start-proxy.ts"),
    import("./hot-restart/hot-restart.ts"),
  ]);
  const hotRestart = await HotRestart.join(options, start.supervised, log.logger("main"));
  try {
    return await launchProxy(options, log, hotRestart, start.manifest);
  } catch (error) {
    hotRestart.failed((error as Error).message);
    throw error;
  }
}

/** The command `weft proxy`: parses the arguments, runs until the end and returns the exit code. */
export async function runProxyCommand(argv: readonly string[]): Promise<number> {
  enableCompileCache();
  // Workers take it from the environment.
  const cache = getCompileCacheDir();
  if (cache !== undefined) process.env["NODE_COMPILE_CACHE"] ??= cache;
  let options: ProxyOptions;
  try {
    const command = parseProxyCommand(argv);
    if (command.kind !== "run") return print(command.kind);
    ({ options } = command);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  const log = openLog(options);
  if (options.mode === "validate") return validate(options, log);
  const supervised = Supervised.find();
  if (supervised !== undefined) options.restartEpoch = supervised.epoch;
  else if (options.hotRestart) return supervise(options, log);
  // Until there is anything to drain, a signal simply ends the process.
  const stop = (): void => process.exit(0);
  const early = ["SIGTERM", "SIGINT"] as const;
  for (const signal of early) process.on(signal, stop);
  try {
    const server = await startProxy(options, { log, supervised });
    if (options.mode === "init_only") return await server.close();
    for (const signal of early) process.off(signal, stop);
    handleSignals(server, log);
    return await server.closed;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    log.critical("main", `error initializing config '${options.configPath}': ${text}`);
    return 1;
  }
}

async function supervise(options: ProxyOptions, log: ProcessLog): Promise<number> {
  const { Supervisor } = await import("./hot-restart/supervisor.ts");
  const supervisor = new Supervisor({
    args: process.argv.slice(1),
    baseId: options.baseId,
    parentShutdownTime: options.parentShutdownTime,
    log: log.logger("main"),
    reopenLog: () => log.reopen(),
  });
  return supervisor.run();
}

async function validate(options: ProxyOptions, log: ProcessLog): Promise<number> {
  try {
    const { validateProxyConfig } = await import("./main/start-proxy.ts");
    const { warnings } = await validateProxyConfig(options, log);
    for (const warning of warnings) log.logger("config").warn(warning);
    process.stdout.write(`configuration '${options.configPath}' OK\n`);
    return 0;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    log.critical("main", `error initializing configuration '${options.configPath}': ${text}`);
    return 1;
  }
}

function print(kind: "help" | "version" | "hot-restart-version"): number {
  if (kind === "help") process.stdout.write(helpText("weft proxy"));
  else if (kind === "version") {
    process.stdout.write(
      `\nweft proxy  version: ${WEFT_VERSION} (configuration of Envoy ${ENVOY_VERSION})\n\n`,
    );
  } else process.stderr.write(`${HOT_RESTART_VERSION}\n`);
  return 0;
}

function openLog(options: ProxyOptions): ProcessLog {
  return new ProcessLog({
    level: options.logLevel,
    componentLevels: options.componentLogLevels,
    format: options.logFormat,
    escaped: options.logFormatEscaped,
    path: options.logPath,
  });
}

function handleSignals(server: ProxyServer, log: ProcessLog): void {
  const terminate = (signal: string): void => {
    log.logger("main").warn(`caught ${signal}`);
    server.drain();
  };
  process.on("SIGTERM", () => terminate("SIGTERM"));
  process.on("SIGINT", () => terminate("SIGINT"));
  process.on("SIGHUP", () =>
    log
      .logger("main")
      .warn("caught and eating SIGHUP. Start with --hot-restart to have the process replaced by it."),
  );
  process.on("SIGUSR1", () => {
    log.logger("main").info("caught SIGUSR1: reopening logs");
    server.reopenLogs();
  });
}
