import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Context } from "hono";
import { pino } from "pino";
import type { Logger } from "pino";
import { listenError } from "../base/listen-error.ts";
import { systemClock } from "../base/clock.ts";
import { withDefaults } from "../base/with-defaults.ts";
import { registryApp } from "./api/app.ts";
import { edsOperation } from "./api/eds-operation.ts";
import { instanceOperations } from "./api/instance-operations.ts";
import { lyftOperations } from "./api/lyft-operations.ts";
import type { Operation } from "./api/operation.ts";
import { systemOperations } from "./api/system-operations.ts";
import { watchOperation } from "./api/watch-operation.ts";
import { registryMetrics } from "./metrics.ts";
import type { RegistryMetrics } from "./metrics.ts";
import { formatAddress } from "./model.ts";
import { registryDefaults } from "./options.ts";
import type { RegistryOptions } from "./options.ts";
import { lockStore } from "./owner-lock.ts";
import { Registry } from "./registry.ts";
import { SqliteStore } from "./sqlite-store.ts";
import type { RegistryStore } from "./store.ts";
import { TokenTable } from "./token-table.ts";
import type { WriteTokens } from "./write-tokens.ts";

export interface RunningRegistry {
  readonly url: string;
  /** Ends watches, answers what is in flight, writes what is not yet written. */
  close(): Promise<void>;
}

/** Starts a registry. Throws an Error that says what to do when the store or the address cannot be had. */
export async function startRegistry(given: RegistryOptions): Promise<RunningRegistry> {
  const options: Settings = withDefaults(given, registryDefaults);
  const log = options.log ?? pino({ name: "registry", level: options.logLevel });
  const opened = await openStore(options, log);
  try {
    return await serve(options, opened, log);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

type Settings = ReturnType<typeof withDefaults<RegistryOptions, typeof registryDefaults>>;

interface OpenStore {
  readonly store: RegistryStore;
  readonly tokens: WriteTokens;
  /** Where it is, for people. */
  readonly place: string;
  close(): Promise<void>;
}

async function openStore(options: Settings, log: Logger): Promise<OpenStore> {
  if (options.etcd !== undefined) return openEtcdStore(options, options.etcd, log);
  const { path } = options;
  const unlock = lockStore(path);
  try {
    const store = new SqliteStore({
      path,
      onWriteError: (error) =>
        log.error({ error: error.message }, "cannot write lease renewals; will try again"),
    });
    const close = async (): Promise<void> => {
      await store.close();
      unlock();
    };
    return { store, tokens: new TokenTable(store.database), place: path, close };
  } catch (error) {
    unlock();
    throw error;
  }
}

async function openEtcdStore(
  options: Settings,
  etcd: NonNullable<Settings["etcd"]>,
  log: Logger,
): Promise<OpenStore> {
  const { EtcdStore } = await import("./etcd-store.ts");
  const { EtcdTokens } = await import("./etcd-tokens.ts");
  const clock = options.clock ?? systemClock;
  const store = await EtcdStore.open({
    ...etcd,
    wall: () => clock.wall(),
    onTrouble(error) {
      if (error === "") log.info("etcd answers again");
      else log.error({ error }, "cannot follow etcd: serving what is known, writes are refused");
    },
    onNonsense: (key) => log.warn({ key }, "leaving out a key of etcd whose value is not the registry's"),
  });
  const place = `${etcd.urls.join(",")}${etcd.prefix}`;
  return { store, tokens: new EtcdTokens(store), place, close: () => store.close() };
}

async function serve(
  options: Settings,
  { store, tokens, place, close: closeStore }: OpenStore,
  log: Logger,
): Promise<RunningRegistry> {
  const metrics = registryMetrics(store);
  const registry = makeRegistry(options, store, metrics, log);
  const stopping = new AbortController();
  let ready = false;
  const operations: Operation[] = [
    ...instanceOperations(registry, options.bodyLimit),
    watchOperation(store, stopping.signal),
    edsOperation(store, log, {
      onPoll: (result) => metrics.edsPolls.add(1, { result }),
      onReject: () => metrics.edsRejections.add(),
    }),
    ...lyftOperations(registry, {
      env: options.lyftEnv,
      leaseSeconds: options.lyftLeaseSeconds,
      bodyLimit: options.bodyLimit,
      remoteAddress,
    }),
    ...systemOperations(
      metrics,
      () => ready,
      async () => (await import("./api/openapi.ts")).openApiDocument("Weft registry", operations),
    ),
  ];
  const app = registryApp(operations, { tokens, readTokens: options.readTokens, metrics, log });
  await registry.start();
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  // Longer than pollers usually wait, so that a connection seldom closes as the next poll is on its way.
  server.keepAliveTimeout = 75_000;
  const url = await listen(server, options.host, options.port);
  ready = true;
  log.info({ url, store: place, instances: (await store.all()).length }, "registry is ready");
  let closing: Promise<void> | undefined;
  const close = async () => {
    ready = false;
    registry.stop();
    stopping.abort();
    await closeServer(server);
    await closeStore();
  };
  return { url, close: () => (closing ??= close()) };
}

function makeRegistry(
  options: Settings,
  store: RegistryStore,
  metrics: RegistryMetrics,
  log: Logger,
): Registry {
  const times = { defaultLeaseSeconds: options.leaseSeconds, retentionMs: options.retentionSeconds * 1000 };
  return new Registry(store, options.clock ?? systemClock, times, {
    onExpired(instance) {
      metrics.expired.add();
      log.warn(
        { service: instance.service, address: formatAddress(instance), reason: instance.reason },
        "instance expired",
      );
    },
    onPause(pausedMs) {
      metrics.pauses.add();
      log.warn({ pausedMs: Math.round(pausedMs) }, "the registry was asleep: all leases get a full period");
    },
    onError: (error) => log.error({ error: error.message }, "cannot expire leases; will try again"),
  });
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(host, port, error)));
    server.listen(port, host, resolve);
  });
  return `http://${formatAddress({ ip: host, port: (server.address() as AddressInfo).port })}`;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const insist = setTimeout(() => server.closeAllConnections(), 2000);
  await closed;
  clearTimeout(insist);
}

function remoteAddress(context: Context): string | undefined {
  return (context.env as { incoming?: IncomingMessage }).incoming?.socket.remoteAddress;
}
