import { writeFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import type { ServerState } from "./admin/admin-host.ts";
import {
  BootstrapError,
  ENVOY_VERSION,
  loadBootstrap,
  WEFT_VERSION,
  type LoadedBootstrap,
} from "./bootstrap.ts";
import { defaultConcurrency } from "./main/cpu-count.ts";
import { loadParts, type Parts } from "./main/parts.ts";
import { ProcessLog } from "./main/process-log.ts";
import { Proxy } from "./main/proxy.ts";
import { helpText } from "./option-flags.ts";
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
  /** Resolves with the exit code when everything is closed. */
  readonly closed: Promise<number>;
}

/** Parts of a start that tests change. */
export interface StartOptions {
  /** Extension manifest instead of the built-in one, as a file URL. */
  readonly manifest?: string;
  readonly log?: ProcessLog;
}

/** What of Envoy's hot restart protocol is claimed. */
const HOT_RESTART_VERSION = "11.104";

/** Starts a proxy; resolves when it is LIVE. Rejects with an Error that says all that is wrong, having closed everything. */
export async function startProxy(options: ProxyOptions, start: StartOptions = {}): Promise<ProxyServer> {
  const log = start.log ?? openLog(options);
  const parts = await loadParts(start.manifest);
  const { bootstrap, warnings } = loadBootstrap(options, parts.ledgers);
  for (const warning of [...options.withoutEffect, ...warnings]) log.logger("config").warn(warning);
  const concurrency = options.concurrency ?? defaultConcurrency();
  log
    .logger("main")
    .info(`initializing epoch ${options.restartEpoch} (base id=${options.baseId}, weft ${WEFT_VERSION})`);
  const { manifest } = start;
  const proxy = new Proxy(
    { options, bootstrap, concurrency, log, ...(manifest === undefined ? {} : { manifest }) },
    parts,
  );
  let admin: { address: string; close(): Promise<void> } | undefined;
  try {
    proxy.addStatic();
    admin = await openAdmin(proxy, bootstrap, options, log);
    await proxy.start();
  } catch (error) {
    await proxy.close(1);
    await admin?.close();
    throw error;
  }
  const closed = proxy.closed.then(async (code) => {
    await admin?.close();
    return code;
  });
  return {
    adminAddress: admin?.address,
    listeners: () => proxy.listeners.addresses(),
    state: () => proxy.state,
    drain: () => proxy.drain(),
    close: async () => {
      void proxy.close();
      return closed;
    },
    closed,
    reopenLogs: () => proxy.reopenLogs(),
  } as ProxyServer & { reopenLogs(): void };
}

/** The command `weft proxy`: parses the arguments, runs until the end and returns the exit code. */
export async function runProxyCommand(argv: readonly string[]): Promise<number> {
  enableCompileCache();
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
  try {
    const server = (await startProxy(options, { log })) as ProxyServer & { reopenLogs(): void };
    if (options.mode === "init_only") return await server.close();
    handleSignals(server, log);
    return await server.closed;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    log.critical("main", `error initializing config '${options.configPath}': ${text}`);
    return 1;
  }
}

/** Checks a configuration as `--mode validate` does. Throws an Error with all that is wrong. */
export async function validateProxyConfig(options: ProxyOptions, log: ProcessLog): Promise<LoadedBootstrap> {
  const parts: Parts = await loadParts();
  const loaded = loadBootstrap(options, parts.ledgers);
  const { validateResources } = await import("./main/validate-resources.ts");
  const problems = validateResources(loaded.bootstrap, options, parts, (component) => log.logger(component));
  if (problems.length > 0) throw new BootstrapError(problems.join("\n"));
  return loaded;
}

async function validate(options: ProxyOptions, log: ProcessLog): Promise<number> {
  try {
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

async function openAdmin(
  proxy: Proxy,
  bootstrap: LoadedBootstrap["bootstrap"],
  options: ProxyOptions,
  log: ProcessLog,
): Promise<{ address: string; close(): Promise<void> } | undefined> {
  const address = bootstrap.admin?.address?.address;
  if (address?.case !== "socketAddress") {
    if (bootstrap.admin?.address !== undefined) throw new Error("admin: only a socket_address is supported");
    log.logger("main").warn("No admin address given, so no admin HTTP server started.");
    return undefined;
  }
  const { startAdmin } = await import("./admin/start-admin.ts");
  const bind = { address: address.value.address, port: address.value.portSpecifier.value as number };
  let admin: { address: string; close(): Promise<void> };
  try {
    admin = await startAdmin(proxy.adminHost(), bind);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const text = code === "EADDRINUSE" ? "Address already in use (is another proxy running?)" : message;
    throw new Error(`admin: cannot bind '${bind.address}:${bind.port}': ${text}`, { cause: error });
  }
  log.logger("admin").info(`admin address: ${admin.address}`);
  if (options.adminAddressPath !== "") {
    try {
      writeFileSync(options.adminAddressPath, admin.address);
    } catch (error) {
      log.critical(
        "admin",
        `cannot open admin address output file ${options.adminAddressPath} for writing: ${(error as Error).message}`,
      );
    }
  }
  return admin;
}

function handleSignals(server: ProxyServer & { reopenLogs(): void }, log: ProcessLog): void {
  const terminate = (signal: string): void => {
    log.logger("main").warn(`caught ${signal}`);
    server.drain();
  };
  process.on("SIGTERM", () => terminate("SIGTERM"));
  process.on("SIGINT", () => terminate("SIGINT"));
  process.on("SIGHUP", () =>
    log.logger("main").warn("caught and eating SIGHUP. See documentation for how to hot restart."),
  );
  process.on("SIGUSR1", () => {
    log.logger("main").info("caught SIGUSR1: reopening logs");
    server.reopenLogs();
  });
}
