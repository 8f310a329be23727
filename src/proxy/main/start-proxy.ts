import { writeFileSync } from "node:fs";
import { BootstrapError, loadBootstrap, type LoadedBootstrap } from "../bootstrap.ts";
import type { HotRestart } from "../hot-restart/hot-restart.ts";
import type { ProxyOptions } from "../options.ts";
import type { ProxyServer } from "../server.ts";
import { WEFT_VERSION } from "../version.ts";
import { defaultConcurrency } from "./cpu-count.ts";
import { loadParts, type Parts } from "./parts.ts";
import type { ProcessLog } from "./process-log.ts";
import { Proxy } from "./proxy.ts";
import { validateResources } from "./validate-resources.ts";

interface Admin {
  readonly address: string;
  close(): Promise<void>;
}

/** See `startProxy` of server.ts. @param manifest extension manifest instead of the built-in one, as a file URL */
export async function launchProxy(
  options: ProxyOptions,
  log: ProcessLog,
  hotRestart: HotRestart,
  manifest?: string,
): Promise<ProxyServer> {
  const parts = await loadParts(manifest);
  const { bootstrap, source, warnings } = loadBootstrap(options, parts.ledgers);
  for (const warning of [...options.withoutEffect, ...warnings]) log.logger("config").warn(warning);
  const concurrency = options.concurrency ?? defaultConcurrency();
  log
    .logger("main")
    .info(`initializing epoch ${options.restartEpoch} (base id=${hotRestart.baseId}, weft ${WEFT_VERSION})`);
  const proxy = new Proxy(
    { options, bootstrap, source, concurrency, log, ...(manifest === undefined ? {} : { manifest }) },
    parts,
  );
  const { successor } = hotRestart;
  let admin: Admin | undefined;
  const openOwnAdmin = async (): Promise<void> => {
    admin ??= await openAdmin(proxy, bootstrap, options, log);
  };
  const closeAdmin = async (): Promise<void> => {
    await admin?.close();
    admin = undefined;
  };
  try {
    proxy.addStatic();
    await successor?.closeAdmin();
    await openOwnAdmin();
    await proxy.start(successor);
  } catch (error) {
    await proxy.close(1);
    await closeAdmin();
    throw error;
  }
  hotRestart.serve({
    closeAdmin,
    openAdmin: openOwnAdmin,
    releaseSockets: (addresses) => proxy.releaseSockets(addresses),
    takeBack: (socket) => proxy.takeBack(socket),
    retire: () => proxy.retire(),
    drain: () => proxy.drain(),
    close: () => void proxy.close(),
    counters: () => proxy.counters(),
    reopenLogs: () => proxy.reopenLogs(),
  });
  hotRestart.live();
  const closed = proxy.closed.then(async (code) => {
    await hotRestart.leave();
    await closeAdmin();
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
  };
}

/** Checks a configuration as `--mode validate` does. Throws an Error with all that is wrong. */
export async function validateProxyConfig(options: ProxyOptions, log: ProcessLog): Promise<LoadedBootstrap> {
  const parts: Parts = await loadParts();
  const loaded = loadBootstrap(options, parts.ledgers);
  const problems = validateResources(loaded, options, parts, (component) => log.logger(component));
  if (problems.length > 0) throw new BootstrapError(problems.join("\n"));
  return loaded;
}

async function openAdmin(
  proxy: Proxy,
  bootstrap: LoadedBootstrap["bootstrap"],
  options: ProxyOptions,
  log: ProcessLog,
): Promise<Admin | undefined> {
  const address = bootstrap.admin?.address?.address;
  if (address?.case !== "socketAddress") {
    if (bootstrap.admin?.address !== undefined) throw new Error("admin: only a socket_address is supported");
    log.logger("main").warn("No admin address given, so no admin HTTP server started.");
    return undefined;
  }
  const { startAdmin } = await import("../admin/start-admin.ts");
  const bind = { address: address.value.address, port: address.value.portSpecifier.value as number };
  let admin: Admin;
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
